"""docker-compose.yml against its schema, a linter, and the promises of docs/operate/team.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.harness import compose
from tests.harness.compose import FILE, ROOT

from lpnet_agent.measure.process import CLOSE_TIMEOUT_S, GRACE_S
from lpnet_agent.settings import Settings as AgentSettings
from lpnet_service.settings import Settings

SCHEMA = Path(__file__).parent / "compose-spec/compose-spec.json"
# Runs once and ends, so that nobody asks for its health.
ONCE = {"migrate", "admin-token", "agent-token"}
SERVICES = compose.file()["services"]
each_service = pytest.mark.parametrize("name", list(SERVICES))


def test_it_is_what_the_specification_says() -> None:
    schema = jsonschema_rs.Draft7Validator(json.loads(SCHEMA.read_text()))
    errors = [f"{fault.instance_path}: {fault.message}" for fault in schema.iter_errors(file())]
    assert errors == []
    assert not schema.is_valid({"services": {"a": {"imagine": "postgres"}}}), "it does judge"


def file() -> dict[str, Any]:
    return compose.file()


def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("yamllint"), "--strict", FILE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@each_service
def test_a_service_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0", "0:0")
    assert not service.get("privileged")
    assert "network_mode" not in service


@each_service
def test_a_service_is_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("on-failure:5" if name in ONCE else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONCE)
    if name not in ONCE:
        assert re.fullmatch(r"\d+s", service["stop_grace_period"])


@each_service
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    for other, on in SERVICES[name].get("depends_on", {}).items():
        condition = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert on["condition"] == condition


def test_nothing_is_defined_and_not_used_or_the_other_way() -> None:
    parsed = file()
    for kind in ("secrets", "networks"):
        used = {word for service in SERVICES.values() for word in service.get(kind, [])}
        assert used == set(parsed[kind])
    mounted = {
        v.partition(":")[0] for service in SERVICES.values() for v in service.get("volumes", [])
    }
    assert mounted == set(parsed["volumes"])


@each_service
def test_a_service_is_given_the_secrets_it_reads_and_no_others(name: str) -> None:
    service = compose.services()[name]
    texts = [*service.command, *service.environment.values()]
    read = {word.rpartition("/")[2] for word in texts if word.startswith("/run/secrets/")}
    assert read == set(SERVICES[name].get("secrets", []))


def test_no_secret_is_in_the_file() -> None:
    for service in compose.services().values():
        for setting, value in service.environment.items():
            if re.search("PASSWORD|TOKEN|SECRET", setting):
                assert setting.endswith("_FILE")
                assert value.startswith("/run/secrets/")
        assert not re.search(r"://[^/@\s]*:[^/@\s]*@", " ".join(service.environment.values()))


def test_settings_are_ones_that_there_are() -> None:
    names = {f"LPNET_{name.upper()}" for name in Settings.model_fields}
    for name, field in AgentSettings.model_fields.items():
        names |= {f"LPNET_AGENT_{name.upper()}"}
        names |= {str(c) for c in getattr(field.validation_alias, "choices", ())}
    # Read beside the settings, by whatever talks to the service.
    names |= {"LPNET_TOKEN_FILE"}
    for service in compose.services().values():
        ours = {setting for setting in service.environment if setting.startswith("LPNET_")}
        assert ours <= names


def test_only_the_api_is_reached_from_outside_and_from_this_machine_alone() -> None:
    open_ = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert open_ == {"api": ["127.0.0.1:8000:8000"]}
    assert file()["networks"]["database"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert SERVICES["agent"]["networks"] == ["lpnet"]


def test_an_agent_has_no_limit_that_would_be_measured() -> None:
    assert not {"deploy", "cpus", "cpu_shares", "cpu_quota", "mem_limit"} & set(SERVICES["agent"])


def test_an_agent_may_end_its_workload_before_it_is_killed() -> None:
    settings = AgentSettings()
    max_stop_s = GRACE_S + CLOSE_TIMEOUT_S + settings.poll_s + settings.request_s
    assert float(SERVICES["agent"]["stop_grace_period"].removesuffix("s")) > max_stop_s


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run([ROOT / "tools/make-secrets", folder], check=True, capture_output=True)
        return {path.name: path.read_text() for path in folder.iterdir()}

    created = make()
    assert created == make()
    expected = {Path(secret["file"]).name for secret in file()["secrets"].values()}
    assert set(created) == expected
    assert len(set(created.values())) == len(created)
    assert all(len(secret.strip()) >= 64 for secret in created.values())
    assert folder.stat().st_mode & 0o777 == 0o700
