"""Whether the server can be used from here, and whether both have the same time."""

from __future__ import annotations

from importlib import metadata

from lpnet_agent.doctor.finding import Finding, Scope, unknown

_MOST_APART_S = 5.0


def reachable(scope: Scope) -> Finding:
    """Whether an lpnet server answers, and whether it is of this version."""
    name, asked = "server", scope.greeting
    if asked is None:
        return unknown(name, scope.settings.url, "not asked of a recorded machine")
    looked = f"GET {asked.url}/healthz, /readyz, /openapi.json"
    if asked.error is not None:
        needed = "" if scope.server_asked else " (only `lpnet-agent run` needs one)"
        return Finding(
            name,
            "bad" if scope.server_asked else "attend",
            looked,
            f"{asked.error}{needed}",
            f"curl -v {asked.url}/readyz    # another one: --server URL, or LPNET_URL",
        )
    mine = metadata.version("lpnet")
    if asked.version != mine:
        return Finding(
            name,
            "attend",
            looked,
            f"ready, but of version {asked.version}; this agent is {mine}",
            f"pip install 'lpnet[agent]=={asked.version}'",
        )
    return Finding(name, "ok", looked, f"ready, version {asked.version}, as this agent")


def admitted(scope: Scope) -> Finding:
    """Whether the server lets this agent in."""
    name, looked, asked = "token", "GET /v1/session with LPNET_TOKEN", scope.greeting
    if asked is None or asked.error is not None:
        return unknown(name, looked, "not known without a server that answers")
    given = "the token is accepted" if asked.token else "no token is set, and none is asked for"
    of, device = asked.device, scope.settings.device
    if of is not None and device not in (None, of):
        seen = f"the token is of device {of!r}, and this one is called {device!r}"
        return Finding(name, "bad", looked, seen, f"lpnet-agent run --device {of}")
    if asked.refused is None:
        return Finding(name, "ok", looked, given)
    return Finding(
        name,
        "bad",
        looked,
        f"refused {'with this token' if asked.token else 'without one'}: {asked.refused}",
        "lpnet-service token create --name NAME --scope agent --device NAME    # on the server; "
        "here it goes into LPNET_TOKEN, or into the file that LPNET_TOKEN_FILE names",
    )


def same_time(scope: Scope) -> Finding:
    """Whether this machine's clock is the server's."""
    name, looked, asked = "clock and server", "the Date of the server's answer", scope.greeting
    if asked is None or asked.ahead_s is None:
        return unknown(name, looked, "not known without a server that says its time")
    words = f"the server's is {asked.ahead_s:+.1f} s from this one's, to {asked.uncertain_s:.1f} s"
    if abs(asked.ahead_s) - asked.uncertain_s <= _MOST_APART_S:
        return Finding(name, "ok", looked, words)
    return Finding(
        name,
        "attend",
        looked,
        f"{words}: samples would carry a wrong time",
        "sudo timedatectl set-ntp true    # on whichever of the two is wrong",
    )
