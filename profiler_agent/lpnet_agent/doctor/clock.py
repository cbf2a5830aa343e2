"""Whether the machine's clock is right, and stays so. Latencies do not depend on it: they are
taken on a clock that only grows; the times in samples do."""

from __future__ import annotations

import ctypes
import struct

from lpnet_agent.doctor.finding import NOT_THIS_MACHINE, Finding, Scope, unknown
from lpnet_agent.doctor.moment import Moment

# From <sys/timex.h>: what adjtimex returns, and a bit of its status.
_TIME_ERROR = 5
_STA_UNSYNC = 0x40
_HEAD = "@Illlli"
_ROOM = 512
_STEP_S = 0.1


def synchronised(scope: Scope) -> Finding:
    """Whether the kernel's clock is kept by a time service."""
    name, looked = "time service", "the kernel's clock state (adjtimex)"
    if not scope.live:
        return unknown(name, looked, NOT_THIS_MACHINE)
    kept = _kept()
    if kept is None:
        return unknown(name, looked)
    if kept:
        return Finding(name, "ok", looked, "the clock is synchronised")
    return Finding(
        name,
        "attend",
        looked,
        "the kernel does not call its clock synchronised: no time service keeps it, or one that "
        "does not say so",
        "timedatectl    # then: sudo timedatectl set-ntp true",
    )


def steps(scope: Scope) -> Finding:
    """Whether the clock was set while this command ran."""
    name, looked = "clock steps", "clock of the day against the steady clock, while this ran"
    if not scope.live:
        return unknown(name, looked, NOT_THIS_MACHINE)
    now = Moment.now()
    lasted = now.steady - scope.began.steady
    step = now.wall - scope.began.wall - lasted
    if abs(step) <= _STEP_S:
        return Finding(name, "ok", looked, f"none in {lasted:.0f} s")
    return Finding(
        name,
        "attend",
        looked,
        f"set by {step:+.1f} s within {lasted:.0f} s",
        "timedatectl timesync-status    # or: chronyc tracking",
    )


def _kept() -> bool | None:
    """None where the system has no adjtimex or does not answer."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    room = ctypes.create_string_buffer(_ROOM)  # no mode bit set: only reads
    state: int = adjtimex(room)
    if state < 0:
        return None
    status: int = struct.unpack_from(_HEAD, room)[-1]
    return state != _TIME_ERROR and not status & _STA_UNSYNC
