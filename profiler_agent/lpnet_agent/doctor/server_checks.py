"""Checks of the server: whether it can be used from here, and whether its clock agrees."""

from __future__ import annotations

from importlib import metadata

from lpnet_agent.doctor.finding import NOT_RECORDED, CheckContext, Finding, Subject

_MAX_DIFFERENCE_S = 5.0
_NO_ANSWER = "no server answers"


def reachable(context: CheckContext) -> Finding:
    probe = context.server
    if probe is None:
        return Subject("server", context.settings.url).unknown(NOT_RECORDED)
    subject = Subject("server", f"GET {probe.url}/healthz, /readyz, /openapi.json")
    if probe.error is not None:
        remedy = f"curl -v {probe.url}/readyz    # choose another: --server URL, or LPNET_URL"
        if context.server_required:
            return subject.bad(probe.error, remedy)
        return subject.caution(f"{probe.error} (only `lpnet-agent run` needs one)", remedy)
    own_version = metadata.version("lpnet")
    if probe.version != own_version:
        return subject.caution(
            f"ready, but its version is {probe.version}, and that of this agent {own_version}",
            f"install lpnet {probe.version} here; `make wheel` builds it in a clone of that one",
        )
    return subject.ok(f"ready, version {probe.version}, the same as this agent")


def admitted(context: CheckContext) -> Finding:
    subject, probe = Subject("token", "GET /v1/session with LPNET_TOKEN"), context.server
    if probe is None or probe.error is not None:
        return subject.unknown(_NO_ANSWER)
    device = context.settings.device
    if probe.device is not None and device not in (None, probe.device):
        return subject.bad(
            f"the token is for device {probe.device!r}, but this device is named {device!r}",
            f"lpnet-agent run --device {probe.device}",
        )
    if probe.refused is None:
        return subject.ok(
            "the token is accepted" if probe.token else "no token is set, and none is required"
        )
    return subject.bad(
        f"refused {'with this token' if probe.token else 'without a token'}: {probe.refused}",
        "lpnet-service token create --name NAME --scope agent --device NAME    # on the server; "
        "then set LPNET_TOKEN here, or LPNET_TOKEN_FILE to a file that contains the token",
    )


def same_time(context: CheckContext) -> Finding:
    subject, probe = Subject("clock and server", "the Date of the server's answer"), context.server
    if probe is None or probe.ahead_s is None:
        return subject.unknown(_NO_ANSWER)
    observation = (
        f"the server's clock is {probe.ahead_s:+.1f} s ahead of this machine's, accurate to "
        f"{probe.uncertain_s:.1f} s"
    )
    if abs(probe.ahead_s) - probe.uncertain_s <= _MAX_DIFFERENCE_S:
        return subject.ok(observation)
    return subject.caution(
        f"{observation}: samples would get wrong times",
        "sudo timedatectl set-ntp true    # on the machine whose clock is wrong",
    )
