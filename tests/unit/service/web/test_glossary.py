"""The glossary explains exactly what pages name."""

from __future__ import annotations

import re

from lpnet_service.web.assets import FOLDER

_GLOSSARY = FOLDER / "js" / "lib" / "glossary.js"
_KEY = re.compile(r"^  (\w+):", re.MULTILINE)


def test_every_explanation_is_used_and_every_term_is_explained() -> None:
    explained = set(_KEY.findall(_GLOSSARY.read_text()))
    templates = "".join(path.read_text() for path in (FOLDER.parent / "templates").glob("*.html"))
    modules = "".join(
        path.read_text() for path in (FOLDER / "js").rglob("*.js") if path != _GLOSSARY
    )
    marked = set(re.findall(r'data-term="(\w+)"', templates))
    assert marked <= explained
    quoted = set(re.findall(r'"(\w+)"', modules))
    assert explained - marked <= quoted
