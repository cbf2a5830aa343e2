"""One visit to a network on a phone: a call of benchmark_model that is pinned to a cluster, with
the phone's conditions around it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lpnet.schemas.sample import Conditions
from lpnet_agent.device_info.sysfs import fields, integer, text
from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.clusters import Cluster
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.output import BenchmarkTiming, check_flags, parse
from lpnet_agent.devices.adb.phone import COMMAND_TIMEOUT_S, Phone
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import MeasureFailed
from lpnet_agent.measure.conditions import Probe, Snapshot, between
from lpnet_agent.measure.plan import TimingPlan

# A governor takes one or two tenths of a second to raise the clock of an idle core.
MIN_WARMUP_S = 0.3

# The time for a call is shared by loading, warm-up, and timed runs.
_PHASES = 3

# Exit statuses.
_KILLED = (124, 137)
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}
_FILE_MISSING = 66
# A killed call that took its whole time but this was killed by the timeout.
_TIMEOUT_TOLERANCE_S = 0.5
# Messages of the C++ library, Android's allocator, LiteRT and XNNPACK.
_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "failed to allocate", "could not allocate")
_TIMES = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s")

# `timeout` ends it on the phone even if the connection is lost.
_SCRIPT = """cd {folder} && [ -f {network} ] && [ -x {program} ] || exit {file_missing}
c() {{ {counters}; }}
echo '@before'; c
echo '@run'
timeout -s KILL {max_s} taskset {mask} {program} {flags}
code=$?
echo; echo '@after'; c
echo '@times'; times
echo '@live'; {live}
exit $code"""
_MARKS = re.compile(r"^@(before|run|after|times|live)$", re.MULTILINE)


class FileMissing(Exception):
    """The network or the program is not on the phone."""


@dataclass(frozen=True)
class PhoneVisit:
    """The result of a visit. `other_share` is the share of the cluster's time that other work
    took, None if unknown."""

    timing: BenchmarkTiming
    conditions: Conditions
    other_share: float | None


class BenchmarkRunner:
    """Runs the benchmark_model of a store, with `threads` threads on a cluster."""

    def __init__(
        self,
        phone: Phone,
        files: MirroredFiles,
        cluster: Cluster,
        store: FileStore,
        threads: int,
    ) -> None:
        self._phone = phone
        self._files = files
        self._cluster = cluster
        self._store = store
        self._threads = threads
        self._probe = Probe(cluster.cores, files.root)

    def visit(self, network: str, plan: TimingPlan, max_s: float) -> PhoneVisit:
        """Time a network that is on the phone. After `max_s` in total it is killed there.

        Raises MeasureFailed with the reason, FileMissing, DeviceUnavailable, or Interrupted if the
        agent is stopping.
        """
        script = _SCRIPT.format(
            folder=self._store.folder,
            network=network,
            program=self._store.program,
            file_missing=_FILE_MISSING,
            counters=mirrored_files.COUNTERS,
            live=mirrored_files.LIVE,
            mask=self._cluster.mask,
            flags=flags(network, plan, self._threads, max_s / _PHASES),
            # Whole seconds, and 0 would mean no limit.
            max_s=max(1, round(max_s)),
        )
        try:
            result = self._phone.run(script, timeout_s=max_s + COMMAND_TIMEOUT_S)
        except BaseException:
            # Nothing may keep running on the phone, if it can be reached at all.
            self._store.kill()
            raise
        if result.code == _FILE_MISSING:
            raise FileMissing
        sections = _sections(result.out)
        printed = sections.get("run", "")
        before = self._snapshot(sections.get("before", ""))
        kills_before = self._oom_kills()
        if "live" in sections:
            self._files.update("live", sections["live"])
        after = self._snapshot(sections.get("after", ""))
        if result.code:
            seconds = after.at_s - before.at_s
            kills = self._oom_kills()
            oom_killed = None not in (kills_before, kills) and kills_before != kills
            timed_out = seconds >= max_s - _TIMEOUT_TOLERANCE_S
            if is_out_of_memory(result, printed, oom_killed and not timed_out):
                raise MeasureFailed(
                    "does not fit in memory: the phone ran out of it", out_of_memory=True
                )
            raise MeasureFailed(_failure(result, printed, timed_out, max_s))
        # Builds differ in which of the outputs they warn on.
        check_flags(f"{printed}\n{result.err}")
        timing = parse(printed)
        if timing.count < plan.min_repeats:
            raise MeasureFailed(
                f"only {timing.count} runs of {timing.mean_ms:.4g} ms fit in "
                f"{max_s / _PHASES:.0f} s, too few for a median (LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
            )
        return self._to_visit(timing, before, after, _cpu_s(sections.get("times", "")))

    def _snapshot(self, counters: str) -> Snapshot:
        self._files.update("counters", counters)
        uptime = text(self._files.root / "proc/uptime").split()
        snapshot = replace(self._probe.read(), voluntary=0, involuntary=0, major_faults=0)
        # Values that services printed some visits ago are not current.
        if not self._files.has_live_temperature:
            snapshot = replace(snapshot, temperature_c=None)
        if not self._files.has_live_cooling:
            snapshot = replace(snapshot, cooling=None)
        return replace(snapshot, own_cpu_s=0.0, at_s=float(uptime[0]) if uptime else 0.0)

    def _oom_kills(self) -> int | None:
        return integer(fields(self._files.root / "proc/vmstat", " ").get("oom_kill", ""))

    def _to_visit(
        self, timing: BenchmarkTiming, before: Snapshot, after: Snapshot, own_s: float | None
    ) -> PhoneVisit:
        conditions = between(before, replace(after, own_cpu_s=own_s or 0.0))
        unknown = dict.fromkeys(("voluntary_switches", "involuntary_switches", "page_faults"))
        if own_s is None:
            unknown["others_s"] = None
        conditions = conditions.model_copy(update=unknown)
        seconds = (after.at_s - before.at_s) * len(self._cluster.cores)
        other_s = conditions.others_s
        share = None if other_s is None or seconds <= 0 else min(1.0, other_s / seconds)
        return PhoneVisit(timing, conditions, share)


def flags(network: str, plan: TimingPlan, threads: int, max_s: float) -> str:
    """The flags of benchmark_model: times of the plan, and XNNPACK. The timed runs take at most
    `max_s`."""
    values = {
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
        values["run_frequency"] = f"{1 / plan.period_s:g}"
    return " ".join(f"--{name}={value}" for name, value in values.items())


def is_out_of_memory(result: CommandResult, printed: str, oom_killed: bool) -> bool:
    """Whether the network certainly does not fit in the phone's memory: an allocation failed, or
    the command was killed while the kernel counted an out-of-memory kill."""
    if result.code == _KILLED[1] and oom_killed:
        return True
    output = f"{printed}\n{result.err}".lower()
    return any(message in output for message in _OUT_OF_MEMORY)


def _sections(output: str) -> dict[str, str]:
    parts = _MARKS.split(output)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _cpu_s(output: str) -> float | None:
    """CPU time of the command, s: the second line of the shell's `times` is for its children."""
    lines = _TIMES.findall(output)
    if len(lines) != 2:
        return None
    minutes, seconds, system_minutes, system_seconds = map(float, lines[1])
    return 60 * (minutes + system_minutes) + seconds + system_seconds


def _failure(result: CommandResult, printed: str, timed_out: bool, max_s: float) -> str:
    if result.code in _KILLED and timed_out:
        return (
            f"benchmark_model had no result after {max_s:g} s and was killed on the phone "
            "(LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
        )
    if result.code == 137:
        return (
            "benchmark_model was killed on the phone by something else, possibly because the "
            "network does not fit in its memory; its kernel does not say so"
        )
    if result.code in _SIGNALS:
        signal, last = _SIGNALS[result.code], _last_error(result)
        return f"benchmark_model crashed on the phone with {signal}: {last}"
    error_line = CommandResult(printed, result.err, result.code).error_line
    return (
        f"benchmark_model failed on the phone with exit status {result.code}: {error_line[:300]}"
    )


def _last_error(result: CommandResult) -> str:
    return (result.err.strip().splitlines() or ["it printed no error"])[-1][:300]
