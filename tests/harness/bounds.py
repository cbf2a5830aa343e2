"""Documents for a JSON schema in which one number is at a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]


class Bounds:
    """`strings` are values of required text fields by name, since patterns are not followed."""

    def __init__(self, schemas: Mapping[str, Schema], strings: Mapping[str, str]) -> None:
        self._schemas = schemas
        self._strings = strings

    def unbounded(self, schema: Schema, path: str = "") -> Iterator[str]:
        """The paths of numbers without a smallest and a largest value."""
        schema = self._resolved(schema)
        is_number = schema.get("type") in ("integer", "number") and "const" not in schema
        if is_number and len(_limits(schema)) < 2:
            yield path
        for name, inner in schema.get("properties", {}).items():
            yield from self.unbounded(inner, f"{path}.{name}")
        for inner in self._inner(schema):
            yield from self.unbounded(inner, path)
        if isinstance(extra := schema.get("additionalProperties"), dict):
            yield from self.unbounded(extra, f"{path}.*")

    def documents(self, schema: Schema, base: Any = None) -> Iterator[tuple[str, Any]]:
        """The path of every number and a bound of it, and a document that has it; the rest is from
        `base`, or as small as it may be."""
        schema = self._resolved(schema)
        if schema.get("type") in ("integer", "number"):
            yield from ((f" {limit}", limit) for limit in _limits(schema))
        elif schema.get("type") == "array":
            count = max(1, schema.get("minItems", 1))
            for inner in self._inner(schema)[:1]:
                for path, value in self.documents(inner, base[0] if base else None):
                    yield path, [value] * count
        elif "properties" in schema:
            whole = base if isinstance(base, dict) else self._smallest(schema)
            for name, inner in schema["properties"].items():
                for path, value in self.documents(inner, whole.get(name)):
                    yield f".{name}{path}", whole | {name: value}
        else:
            for option in self._inner(schema):
                yield from self.documents(option)

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            return self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _inner(self, schema: Schema) -> list[Schema]:
        items = (
            schema.get("prefixItems") or [schema["items"]]
            if "items" in schema or ("prefixItems" in schema)
            else []
        )
        return [*items, *schema.get("anyOf", ()), *schema.get("oneOf", ())]

    def _smallest(self, schema: Schema, name: str = "") -> Any:
        schema = self._resolved(schema)
        for constant in ("const", "default"):
            if constant in schema:
                return schema[constant]
        kind = schema.get("type")
        if kind == "string":
            return schema["enum"][0] if "enum" in schema else self._strings.get(name, "text")
        if kind in ("integer", "number"):
            return max(1, min(_limits(schema) or [1]))
        if kind == "boolean":
            return False
        if kind == "array":
            inner = self._inner(schema)
            count = max(len(schema.get("prefixItems", ())), schema.get("minItems", 0))
            return [self._smallest(inner[0]) for _ in range(count)]
        if "properties" in schema:
            return {
                key: self._smallest(schema["properties"][key], key)
                for key in schema.get("required", ())
            } | {key: s["const"] for key, s in schema["properties"].items() if "const" in s}
        options = self._inner(schema)
        return self._smallest(options[0], name) if options else {}


def _limits(schema: Schema) -> list[float]:
    """The smallest and the largest value that a schema allows."""
    limits = []
    for inclusive, exclusive, step in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        if inclusive in schema:
            limits.append(schema[inclusive])
        elif exclusive in schema and schema["type"] == "integer":
            limits.append(int(schema[exclusive]) + step)
    return limits
