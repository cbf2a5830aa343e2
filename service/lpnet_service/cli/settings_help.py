"""The settings of the service, at the end of the help of its commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class WithSettings(TyperCommand):
    """A command whose help lists the environment variables that it reads."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.epilog = settings_text()
        super().format_help(ctx, formatter)


def settings_text() -> str:
    """A paragraph for each setting."""
    from lpnet_service.settings import Settings

    lines = ["Settings, as environment variables:"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f" (default: {field.default})"
        lines.append(f"LPNET_{name.upper()}: {field.description}{default}")
    return "\n\n".join(lines)
