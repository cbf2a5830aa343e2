"""The page /docs: the OpenAPI document for people. It loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import lpnet_service.web
from lpnet_service.api import documents
from lpnet_service.web import assets


@dataclass(frozen=True)
class Row:
    """A parameter or field: its type in words, and what it means."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True)
class Endpoint:
    """An operation as the page shows it. `details` are paragraphs, `body` is the schema of the
    request, `example` JSON."""

    method: str
    path: str
    summary: str
    details: list[Markup]
    parameters: list[Row]
    body: str | None
    example: str | None
    answers: list[Row]


def install(app: FastAPI) -> None:
    static = f"/static/{assets.version()}"

    @cache
    def render() -> str:
        document = app.openapi()
        template = Environment(
            loader=FileSystemLoader(Path(lpnet_service.web.__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        ).get_template("reference.html")
        return template.render(
            document=document,
            endpoints={name: list(endpoints(document, name)) for name in documents.TAGS},
            schemas={
                name: (_paragraphs(schema.get("description", "")), list(_fields(schema)))
                for name, schema in sorted(document["components"]["schemas"].items())
            },
            static=static,
        )

    async def reference() -> HTMLResponse:
        return HTMLResponse(render(), headers={"Cache-Control": "no-cache"})

    app.add_api_route("/docs", reference, name="page_docs", include_in_schema=False)


def endpoints(document: dict[str, Any], tag: str) -> Iterator[Endpoint]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield _endpoint(method.upper(), path, operation)


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> Endpoint:
    content = operation.get("requestBody", {}).get("content", {})
    media_type, body = _first(content)
    example = body.get("example")
    is_json = media_type == "application/json"
    return Endpoint(
        method=method,
        path=path,
        summary=operation["summary"],
        details=_details(operation),
        parameters=[
            Row(p["name"], _type(p["schema"]), p.get("required", False), p["description"])
            for p in operation.get("parameters", [])
        ],
        body=_type(body["schema"]) if is_json else media_type or None,
        example=None if example is None else json.dumps(example, indent=2),
        answers=[
            Row(status, _answer_type(answer), False, answer["description"])
            for status, answer in sorted(operation["responses"].items())
        ],
    )


def _answer_type(answer: dict[str, Any]) -> str:
    media_type, content = _first(answer.get("content", {}))
    if "json" not in media_type:
        return media_type
    return _type(content.get("schema", {}))


def _details(operation: dict[str, Any]) -> list[Markup]:
    """The description, without a first paragraph that only repeats the summary."""
    first, _, others = operation["description"].partition("\n\n")
    repeats = " ".join(first.split()).rstrip(".") == operation["summary"]
    return _paragraphs(others if repeats else operation["description"])


def _paragraphs(text: str) -> list[Markup]:
    """Paragraphs of Markdown, of which only `code` is used."""
    joined = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part)))) for part in joined]


def _first(content: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The first media type with its schema; empty without a body."""
    return next(iter(content.items()), ("", {}))


def _fields(schema: dict[str, Any]) -> Iterator[Row]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield Row(name, _type(field), name in required, field.get("description", ""))


def _type(schema: dict[str, Any]) -> str:
    """The type of a value in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema or "enum" in schema:
        return ", ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[several]))
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {_type(items)}" if items else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any value"))
