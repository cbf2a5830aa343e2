"""Checks of the machine's wall clock, which the times in samples come from.

Latencies do not depend on it: they are taken on the monotonic clock.
"""

from __future__ import annotations

import ctypes
import struct

from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.finding import NOT_RECORDED, CheckContext, Finding, Subject

# From <sys/timex.h>: a return value of adjtimex, a bit of its status, and the start of its buffer.
_TIME_ERROR = 5
_STA_UNSYNC = 0x40
_TIMEX_HEAD = "@Illlli"
_BUFFER_BYTES = 512
_MAX_STEP_S = 0.1


def synchronised(context: CheckContext) -> Finding:
    subject = Subject("time service", "the kernel's clock state (adjtimex)")
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    synchronised = _is_synchronised()
    if synchronised is None:
        return subject.unknown()
    if synchronised:
        return subject.ok("the clock is synchronised")
    return subject.caution(
        "the kernel reports an unsynchronised clock: there is no time service, or it does not "
        "tell the kernel",
        "timedatectl    # then: sudo timedatectl set-ntp true",
    )


def steps(context: CheckContext) -> Finding:
    subject = Subject("clock steps", "wall clock against monotonic clock, during this command")
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    now = ClockPair.now()
    elapsed_s = now.monotonic - context.started.monotonic
    step_s = now.wall - context.started.wall - elapsed_s
    if abs(step_s) <= _MAX_STEP_S:
        return subject.ok(f"none in {elapsed_s:.0f} s")
    return subject.caution(
        f"set by {step_s:+.1f} s within {elapsed_s:.0f} s",
        "timedatectl timesync-status    # or: chronyc tracking",
    )


def _is_synchronised() -> bool | None:
    """None if the system has no adjtimex, or it fails."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(_BUFFER_BYTES)  # no mode bit is set: it only reads
    state: int = adjtimex(buffer)
    if state < 0:
        return None
    status: int = struct.unpack_from(_TIMEX_HEAD, buffer)[-1]
    return state != _TIME_ERROR and not status & _STA_UNSYNC
