"""The Kubernetes manifest, against the commands, settings and routes that it names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.harness.dockerfile import ROOT, image
from typer.main import get_command
from typer.testing import CliRunner

from lpnet_service.api.app import operations
from lpnet_service.main import app
from lpnet_service.settings import Settings

FILE = ROOT / "docs/operate/kubernetes/lpnet.yaml"
DOCUMENTS = list(yaml.safe_load_all(FILE.read_text()))
# Read by the logs, not by the settings.
LOG_SETTINGS = {"LPNET_LOG_FORMAT"}


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The name, the pod and the only container of each job and deployment."""
    for document in DOCUMENTS:
        if document["kind"] in ("Job", "Deployment"):
            pod = document["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            yield document["metadata"]["name"], pod, container


PODS = [pytest.param(pod, container, id=name) for name, pod, container in pods()]
each_pod = pytest.mark.parametrize(("pod", "container"), PODS)


def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("yamllint"), "--strict", FILE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@each_pod
def test_a_pod_runs_a_command_with_settings_that_exist(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    command, *options = container["args"]
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    flags = {flag for p in get_command(app).commands[command].params for flag in p.opts}  # type: ignore[attr-defined]
    assert {option for option in options if option.startswith("--")} <= flags
    named = {variable["name"] for variable in container["env"]}
    assert named <= {f"LPNET_{name.upper()}" for name in Settings.model_fields} | LOG_SETTINGS


@each_pod
def test_a_pod_has_no_rights(pod: dict[str, Any], container: dict[str, Any]) -> None:
    user = image("service").user
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_probes_ask_for_what_answers() -> None:
    open_routes = {operation.path for operation in operations() if operation.scopes is None}
    containers = {name: container for name, _, container in pods()}
    api, worker = containers["lpnet-api"], containers["lpnet-worker"]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert api[probe]["httpGet"]["path"] in open_routes
        assert api[probe]["httpGet"]["port"] == api["ports"][0]["containerPort"]
    assert worker["livenessProbe"]["exec"]["command"] == ["lpnet-service", "healthy", "worker"]
    assert "LPNET_WORKER_ALIVE_FILE" in {variable["name"] for variable in worker["env"]}


def test_services_and_deployments_select_their_own_pods() -> None:
    labels = {}
    for document in DOCUMENTS:
        if document["kind"] == "Deployment":
            spec = document["spec"]
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
            labels[document["metadata"]["name"]] = spec["template"]["metadata"]["labels"]
    (service,) = (document for document in DOCUMENTS if document["kind"] == "Service")
    assert service["spec"]["selector"] == labels["lpnet-api"]
