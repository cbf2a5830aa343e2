"""Modules that a page imports, which its template preloads."""

from __future__ import annotations

from lpnet_service.web.modules import imported_modules


def test_imports_are_found_on_one_line_on_several_and_where_a_library_is_loaded() -> None:
    modules = imported_modules("js/pages/report.js")
    assert {"js/lib/api.js", "js/charts/report.js", "vendor/echarts/echarts.mjs"} <= set(modules)
    assert "vendor/tabulator/tabulator.mjs" not in modules


def test_a_page_imports_no_other_page() -> None:
    modules = imported_modules("js/pages/report.js")
    assert not any(module.startswith("js/pages/") for module in modules)
