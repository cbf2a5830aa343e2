"""One visit to a network on the phone: a call of benchmark_model, pinned to a cluster, and what
the phone was like meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lpnet.schemas.sample import Conditions
from lpnet_agent.device_info.sysfs import fields, integer, text
from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.clusters import Cluster
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.output import Timing, check_flags, parse
from lpnet_agent.devices.adb.phone import PATIENCE_S, Phone
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import MeasureFailed
from lpnet_agent.measure.conditions import Probe, Snapshot, between
from lpnet_agent.measure.plan import TimingPlan

# A governor takes a tenth of a second or two to raise the clock of a core that was asleep.
MIN_WARMUP_S = 0.3

# Of the time that a call may take: loading, warm-up, timed runs.
_PHASES = 3

_KILLED = (124, 137)
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}
_NO_FILE = 66
# A call that took all its time but this was killed for that.
_LATE_S = 0.5
# Of the C++ library, of Android's allocator, of LiteRT's and XNNPACK's.
_NO_ROOM = ("bad_alloc", "out of memory", "failed to allocate", "could not allocate")
_TIGHT = "does not fit in memory: the phone ran out of it"
_TIMES = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s")

# It ends by itself whatever becomes of the connection: `timeout` kills it on the phone.
_SCRIPT = """cd {folder} && [ -f {network} ] && [ -x {program} ] || exit {no_file}
c() {{ {counters}; }}
echo '@before'; c
echo '@run'
timeout -s KILL {max_s} taskset {mask} {program} {flags}
code=$?
echo; echo '@after'; c
echo '@times'; times
echo '@live'; {live}
exit $code"""
_PARTS = re.compile(r"^@(before|run|after|times|live)$", re.MULTILINE)


class FileMissing(Exception):
    """What should be on the phone is not there."""


@dataclass(frozen=True)
class PhoneVisit:
    """What came of it. `others_share` is how much of the cluster's time others had, None where it
    is unknown."""

    timing: Timing
    conditions: Conditions
    others_share: float | None


class BenchmarkRunner:
    """Calls the benchmark_model of a store, with `threads` threads on a cluster."""

    def __init__(
        self, phone: Phone, files: MirroredFiles, cluster: Cluster, store: FileStore, threads: int
    ) -> None:
        self._phone = phone
        self._files = files
        self._cluster = cluster
        self._store = store
        self._threads = threads
        self._probe = Probe(cluster.cores, files.root)

    def visit(self, network: str, plan: TimingPlan, max_s: float) -> PhoneVisit:
        """Time a network that is on the phone. One that takes longer than `max_s` in all is
        killed there.

        Raises MeasureFailed with what went wrong, NoFile, DeviceAway, or Interrupted if the agent
        is to end.
        """
        script = _SCRIPT.format(
            folder=self._store.folder,
            network=network,
            program=self._store.program,
            no_file=_NO_FILE,
            counters=mirrored_files.COUNTERS,
            live=mirrored_files.LIVE,
            mask=self._cluster.mask,
            flags=flags(network, plan, self._threads, max_s / _PHASES),
            # Whole seconds, and 0 would be no limit.
            max_s=max(1, round(max_s)),
        )
        try:
            ended = self._phone.run(script, timeout_s=max_s + PATIENCE_S)
        except BaseException:
            # Nothing of it stays behind, if the phone can be reached at all.
            self._store.kill()
            raise
        if ended.code == _NO_FILE:
            raise FileMissing
        parts = _sections(ended.out)
        before = self._snapshot(parts.get("before", ""))
        kills = self._oom_kills()
        if "live" in parts:
            self._files.take("live", parts["live"])
        after = self._snapshot(parts.get("after", ""))
        if ended.code:
            printed, took_s = parts.get("run", ""), after.at_s - before.at_s
            ended_for_it = None not in (kills, now := self._oom_kills()) and kills != now
            if _no_room(ended, printed, took_s < max_s - _LATE_S and ended_for_it):
                raise MeasureFailed(_TIGHT, out_of_memory=True)
            raise MeasureFailed(_failure(ended, printed, took_s, max_s))
        # On which of its outputs it warns is not the same everywhere.
        check_flags(f"{parts.get('run', '')}\n{ended.err}")
        timing = parse(parts.get("run", ""))
        if timing.count < plan.min_repeats:
            raise MeasureFailed(
                f"only {timing.count} runs of {timing.mean_ms:.4g} ms fit in "
                f"{max_s / _PHASES:.0f} s, too few for a median (LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
            )
        return self._visited(timing, before, after, _cpu_s(parts.get("times", "")))

    def _snapshot(self, counters: str) -> Snapshot:
        """The phone's counters by the phone's clock."""
        self._files.take("counters", counters)
        up = text(self._files.root / "proc/uptime").split()
        seen = replace(self._probe.read(), voluntary=0, involuntary=0, major_faults=0)
        # What was said some visits ago is not how it is now.
        if not self._files.live_heat:
            seen = replace(seen, temperature_c=None)
        if not self._files.live_cooling:
            seen = replace(seen, cooling=None)
        return replace(seen, own_cpu_s=0.0, at_s=float(up[0]) if up else 0.0)

    def _oom_kills(self) -> int | None:
        """Processes that its kernel has ended for want of memory; None: it does not say."""
        return integer(fields(self._files.root / "proc/vmstat", " ").get("oom_kill", ""))

    def _visited(
        self, timing: Timing, before: Snapshot, after: Snapshot, own_s: float | None
    ) -> PhoneVisit:
        conditions = between(before, replace(after, own_cpu_s=own_s or 0.0))
        unknown = dict.fromkeys(("voluntary_switches", "involuntary_switches", "page_faults"))
        if own_s is None:
            unknown["others_s"] = None
        conditions = conditions.model_copy(update=unknown)
        seconds = (after.at_s - before.at_s) * len(self._cluster.cores)
        others_s = conditions.others_s
        share = None if others_s is None or seconds <= 0 else min(1.0, others_s / seconds)
        return PhoneVisit(timing, conditions, share)


def flags(network: str, plan: TimingPlan, threads: int, max_s: float) -> str:
    """Those of benchmark_model: a plan's times, XNNPACK, and nothing that runs beside. Few long
    runs may take up to `max_s`."""
    given = {
        "graph": network,
        "num_threads": threads,
        "num_runs": plan.min_repeats,
        "min_secs": f"{plan.budget_s:.3f}",
        "max_secs": f"{max_s:.3f}",
        "warmup_runs": 1,
        "warmup_min_secs": f"{max(plan.warmup_s, MIN_WARMUP_S):.3f}",
        "use_xnnpack": "true",
    }
    if plan.period_s is not None:
        given["run_frequency"] = f"{1 / plan.period_s:g}"
    return " ".join(f"--{name}={value}" for name, value in given.items())


def _sections(printed: str) -> dict[str, str]:
    """What follows each mark."""
    words = _PARTS.split(printed)
    return dict(zip(words[1::2], words[2::2], strict=True))


def _cpu_s(said: str) -> float | None:
    """CPU time of the command, s: the shell says it of its children in the second line."""
    found = _TIMES.findall(said)
    if len(found) != 2:
        return None
    minutes, seconds, system_minutes, system_seconds = (float(word) for word in found[1])
    return 60 * (minutes + system_minutes) + seconds + system_seconds


def _no_room(ended: CommandResult, printed: str, killed_for_it: bool) -> bool:
    """Whether the network certainly does not fit in the phone's memory: an allocation failed, or
    the kernel ended a process for want of memory while this one was killed."""
    if ended.code == _KILLED[1] and killed_for_it:
        return True
    words = f"{printed}\n{ended.err}".lower()
    return any(word in words for word in _NO_ROOM)


def _failure(ended: CommandResult, printed: str, took_s: float, max_s: float) -> str:
    """Why it failed, in words."""
    if ended.code in _KILLED and took_s >= max_s - _LATE_S:
        return (
            f"benchmark_model gave no result in {max_s:g} s and was killed on the phone "
            "(LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
        )
    if ended.code == 137:
        return (
            "benchmark_model was killed on the phone by something else, which may be that the "
            "network does not fit in its memory: its kernel does not say so"
        )
    if ended.code in _SIGNALS:
        return f"benchmark_model crashed on the phone with {_SIGNALS[ended.code]}: {_last(ended)}"
    words = CommandResult(printed, ended.err, ended.code).complaint
    return f"benchmark_model failed on the phone with exit status {ended.code}: {words[:300]}"


def _last(ended: CommandResult) -> str:
    return (ended.err.strip().splitlines() or ["it said nothing"])[-1][:300]
