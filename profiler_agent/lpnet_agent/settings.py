"""Settings of the agent, from the environment."""

from __future__ import annotations

import os

from pydantic_settings import BaseSettings, SettingsConfigDict

from lpnet_agent.errors import SetupError
from lpnet_agent.setting_fields import SettingFields

# Variables of earlier releases, with what to do instead.
_REMOVED = {
    "LPNET_AGENT_GOVERNOR": "set the governor yourself; `lpnet-agent doctor` prints the command",
    "LPNET_AGENT_TURBO": "turn turbo off yourself; `lpnet-agent doctor` prints the command",
}


class Settings(SettingFields, BaseSettings):
    """The settings, each read from LPNET_AGENT_<NAME>.

    Server and token are also read from LPNET_URL, LPNET_TOKEN and LPNET_TOKEN_FILE. A command's
    options override the environment.
    """

    model_config = SettingsConfigDict(env_prefix="LPNET_AGENT_", populate_by_name=True)


def check_removed_variables() -> None:
    """Raises SetupError for a variable that earlier releases read and this one does not."""
    for name, advice in _REMOVED.items():
        if os.environ.get(name):
            raise SetupError(f"{name} was removed: the agent no longer changes clocks. {advice}")
