"""Options of the commands, made from the fields of the settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer
from annotated_types import Ge
from pydantic.fields import FieldInfo

from lpnet_agent.cli.base import one_line_errors
from lpnet_agent.setting_fields import CliOption, SettingFields

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings

Command = Callable[..., None]

# The settings that choose what is measured, and where state is kept.
TARGET_SETTINGS = (
    "device",
    "adb",
    "cluster",
    "threads",
    "runtime",
    "provider",
    "precision",
    "runtime_options",
    "fps",
    "state_dir",
)
# The limits that the owner of a device sets.
LIMIT_SETTINGS = (
    "quiet_hours",
    "max_temperature_c",
    "min_battery_pct",
    "on_battery",
    "max_share",
    "max_load",
)


def with_settings(*names: str) -> Callable[[Command], Command]:
    """Give a command one option for each of these settings, and pass it all settings.

    The options replace the command's keyword parameter `settings`. A setting without an option
    comes from the environment or is its default. A parameter that is named after a setting
    receives the value of that option. Errors that lpnet raises on purpose end the command in one
    line.
    """

    def decorate(command: Command) -> Command:
        hints = get_type_hints(command, localns={"Settings": Any}, include_extras=True)
        own = inspect.signature(command).parameters

        @wraps(command)
        def run(**values: Any) -> None:
            with one_line_errors(command.__name__):
                settings = read_settings(**{name: values[name] for name in names})
                arguments = {name: value for name, value in values.items() if name in own}
                command(settings=settings, **arguments)

        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            if name == "settings":
                parameters += map(_option_parameter, names)
            elif name not in names:
                parameters.append(parameter.replace(annotation=hints[name]))
        # What typer reads.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def read_settings(**options: Any) -> Settings:
    """The settings of the environment, overridden by the options that are not None.

    A list is joined by commas. Raises SetupError naming every invalid setting.
    """
    from pydantic import ValidationError

    from lpnet_agent.errors import SetupError
    from lpnet_agent.settings import Settings, check_removed_variables

    check_removed_variables()
    values: dict[str, Any] = {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in options.items()
        if value is not None
    }
    try:
        return Settings(**values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise SetupError("settings: " + "; ".join(faults)) from error


def _option_parameter(name: str) -> inspect.Parameter:
    field = SettingFields.model_fields[name]
    written = next((m for m in field.metadata if isinstance(m, CliOption)), CliOption())
    kind: Any = list[str] if written.repeatable else _value_type(field.annotation)
    minimum: Any = next((m.ge for m in field.metadata if isinstance(m, Ge)), None)
    option = typer.Option(
        *(written.names or (f"--{name.replace('_', '-')}",)),
        help=_help(field),
        metavar=written.metavar,
        hidden=written.hidden,
        min=minimum if kind is int else None,
        exists=written.existing_folder,
        file_okay=not written.existing_folder,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _value_type(annotation: Any) -> Any:
    """The type of a field's values: `int` for `Annotated[int, ...] | None`."""
    if get_origin(annotation) is Annotated:
        return _value_type(get_args(annotation)[0])
    members = [member for member in get_args(annotation) if member is not NoneType]
    return _value_type(members[0]) if members else annotation


def _help(field: FieldInfo) -> str:
    description = field.description or ""
    if isinstance(field.default, str | int) and field.default not in ("", True, False):
        return f"{description.removesuffix('.')} (default: {field.default})."
    return description
