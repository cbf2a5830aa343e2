"""Calling a function of the pages' modules in an open page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

_CALL = """async ([module, name, values]) => {
  const page = document.querySelector("script[type=module]").src;
  const imported = await import(new URL(`../${module}`, page));
  return imported[name](...values);
}"""


def evaluate(page: Page, module: str, function: str, *values: Any) -> Any:
    """What a function of `static/js/MODULE` returns, as JSON."""
    return page.evaluate(_CALL, [module, function, list(values)])
