"""`lpnet-agent doctor` as a user runs it, and what it says of faults made for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.harness.processes import PATIENCE_S

from lpnet.schemas.sample import Conditions, Sample
from lpnet_agent.doctor import (
    agent_environment,
    cpu_sharing,
    measurement_noise,
    server_checks,
    system_clock,
)
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.cpu_usage import CpuProcess, CpuUsage, read_cpu_usage
from lpnet_agent.doctor.finding import Check, CheckContext, Finding
from lpnet_agent.doctor.server_probe import probe_server
from lpnet_agent.doctor.trial_run import TrialRun, run_trial
from lpnet_agent.measure.cores import choose
from lpnet_agent.measure.sentinel_workloads import template
from lpnet_agent.owner.pause import Pause, PauseFile
from lpnet_agent.settings import Settings

VERSION = metadata.version("lpnet")


class _Server(ThreadingHTTPServer):
    """Answers as an lpnet server would, with a clock, a version and a token of the test's."""

    ahead_s = 0.0
    title = "lpnet"
    version = VERSION
    token: str | None = None
    scopes: tuple[str, ...] = ("agent",)
    device: str | None = None


class _Answers(BaseHTTPRequestHandler):
    server: _Server

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.server.ahead_s, usegmt=True)

    def do_GET(self) -> None:
        wanted, status = self.server.token, 200
        body: dict[str, Any] = {"status": "ok"}
        if self.path == "/openapi.json":
            body = {"info": {"title": self.server.title, "version": self.server.version}}
        elif self.path == "/v1/session":
            body = {"name": "desk", "scopes": self.server.scopes, "device": self.server.device}
            body |= {"expires_at": None, "csrf": None, "open": wanted is None}
            if wanted is not None and self.headers["Authorization"] != f"Bearer {wanted}":
                status, body = 401, {"code": "not_allowed", "detail": "a token is needed"}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def answering() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Answers) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


def url(made: _Server) -> str:
    return f"http://127.0.0.1:{made.server_port}"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scope(
    settings: Settings,
    trial: TrialRun | None = None,
    usage: CpuUsage | None = None,
    began: ClockPair | None = None,
) -> CheckContext:
    """This machine, of which only what a test asks for was looked at."""
    return CheckContext(
        settings=settings,
        cores=choose(settings.threads),
        cpu_usage=usage,
        server=None,
        trial=trial,
        started=began or ClockPair.now(),
    )


def asked(check: Check, settings: Settings) -> Finding:
    """A check of the server, which the user named."""
    return check(
        CheckContext(
            settings=settings,
            cores=None,
            cpu_usage=None,
            server=probe_server(settings),
            trial=None,
            started=ClockPair.now(),
            server_required=True,
        )
    )


def doctor(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lpnet_agent", "doctor", "--state-dir", str(state), *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_examines_this_machine_and_says_so_as_data(tmp_path: Path, answering: _Server) -> None:
    done = doctor(tmp_path / "state", "--json", "--server", url(answering))
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["fit"] else 1)
    found = {one["name"]: one for one in said["findings"]}
    assert found["server"]["verdict"] == "ok"
    assert found["runtime"]["verdict"] == "ok"
    assert " ms" in found["noise between sessions"]["seen"]
    assert "MiB free" in found["disk"]["seen"]
    assert said["cores"] == [max(os.sched_getaffinity(0))]
    assert {signal["name"]: signal for signal in said["signals"]}["context switches"]["seen"]
    # It only looked.
    assert not (tmp_path / "state").exists()


def test_it_says_not_fit_by_its_exit_status(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    done = doctor(
        tmp_path, "--server", f"http://127.0.0.1:{closed_port()}", "--threads", str(cores + 1)
    )
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    # A busy machine adds causes of its own.
    opening, _, causes = last.partition(".")[0].partition(": ")
    assert opening == "Not fit for measuring, because of"
    assert {"cores", "server"} <= set(causes.split(", "))
    assert f"to do: lpnet-agent doctor --threads {cores}" in done.stdout


@pytest.mark.parametrize("root", ["/nowhere", "/etc/hostname"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, root: str) -> None:
    done = doctor(tmp_path, "--root", root)
    assert done.returncode == 2
    assert root in done.stderr.replace("\n", "").replace("│", "").replace(" ", "")


def test_a_server_that_answers_is_ok(answering: _Server) -> None:
    settings = Settings(url=url(answering))
    for check in (server_checks.reachable, server_checks.admitted, server_checks.same_time):
        assert asked(check, settings).verdict == "ok"


def test_a_closed_port_is_bad_where_the_server_was_named_and_a_caution_where_not() -> None:
    settings = Settings(url=f"http://127.0.0.1:{closed_port()}")
    found = asked(server_checks.reachable, settings)
    assert found.verdict == "bad"
    assert "no answer" in found.observation
    assert asked(server_checks.admitted, settings).verdict == "unknown"
    assert asked(server_checks.same_time, settings).verdict == "unknown"
    by_default = CheckContext(
        settings, None, None, probe_server(settings), None, ClockPair.now(), server_required=False
    )
    assert server_checks.reachable(by_default).verdict == "attend"


def test_a_url_that_is_none_is_bad() -> None:
    found = asked(server_checks.reachable, Settings(url="nonsense"))
    assert found.verdict == "bad"
    assert "not the URL of a server" in found.observation


def test_another_kind_of_server_is_bad(answering: _Server) -> None:
    answering.title = "something else"
    found = asked(server_checks.reachable, Settings(url=url(answering)))
    assert found.verdict == "bad"
    assert "not an lpnet server" in found.observation


def test_a_server_of_another_version_is_told(answering: _Server) -> None:
    answering.version = "9.9"
    found = asked(server_checks.reachable, Settings(url=url(answering)))
    assert found.verdict == "attend"
    assert found.remedy is not None
    assert found.remedy.startswith("install lpnet 9.9 here")


def test_a_token_for_something_else_is_told(answering: _Server) -> None:
    answering.token, answering.device = "right", "desk"
    mine = Settings(url=url(answering), token="right", device="desk")
    assert asked(server_checks.admitted, mine).verdict == "ok"
    other = asked(server_checks.admitted, mine.model_copy(update={"device": "phone"}))
    assert (other.verdict, "'desk'" in other.observation) == ("bad", True)
    answering.scopes, answering.device = ("predict",), None
    reader = asked(server_checks.admitted, mine)
    assert (reader.verdict, "for predict" in reader.observation) == ("bad", True)


@pytest.mark.parametrize(("token", "verdict"), [("right", "ok"), ("wrong", "bad"), (None, "bad")])
def test_the_token_is_tried(answering: _Server, token: str | None, verdict: str) -> None:
    answering.token = "right"
    assert (
        asked(server_checks.admitted, Settings(url=url(answering), token=token)).verdict == verdict
    )


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(3.0, "ok"), (-3.0, "ok"), (60.0, "attend"), (-7200.0, "attend")]
)
def test_a_server_with_another_time_is_told(
    answering: _Server, ahead_s: float, verdict: str
) -> None:
    answering.ahead_s = ahead_s
    probe = probe_server(Settings(url=url(answering)))
    assert probe.ahead_s == pytest.approx(ahead_s, abs=1.5)
    assert asked(server_checks.same_time, Settings(url=url(answering))).verdict == verdict


def test_a_clock_that_was_set_meanwhile_is_told() -> None:
    now = ClockPair.now()
    assert system_clock.steps(scope(Settings(), began=now)).verdict == "ok"
    back = system_clock.steps(scope(Settings(), began=ClockPair(now.wall + 3600, now.monotonic)))
    assert back.verdict == "attend"
    assert "set by -3600.0 s" in back.observation


def test_the_clock_state_of_the_kernel_is_read() -> None:
    assert system_clock.synchronised(scope(Settings())).verdict in ("ok", "attend")


@pytest.mark.parametrize("folder", ["/proc/lpnet", "file/state"])
def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    found = agent_environment.folder(scope(Settings(state_dir=tmp_path / folder)))
    assert found.verdict == "bad"
    assert "not writable" in found.observation


def test_a_folder_that_can_be_made_is_ok_and_not_made(tmp_path: Path) -> None:
    found = agent_environment.folder(scope(Settings(state_dir=tmp_path / "a" / "b")))
    assert (found.verdict, found.observation) == ("ok", "does not exist yet; can be created")
    assert list(tmp_path.iterdir()) == []


SMALL_DISK = """
set -e
mount -t tmpfs -o size={mib}m tmpfs {place}
exec {python} -c "$1" {place}/state
"""
DISK_CHECK = """
import sys
from pathlib import Path
from lpnet_agent.doctor.agent_environment import disk
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.finding import CheckContext
from lpnet_agent.settings import Settings
settings = Settings(state_dir=Path(sys.argv[1]))
finding = disk(CheckContext(settings, None, None, None, None, ClockPair.now()))
print(finding.verdict, finding.observation)
"""


@pytest.mark.parametrize(("mib", "verdict"), [(20, "bad"), (200, "attend")])
def test_a_disk_that_is_almost_full_is_told(tmp_path: Path, mib: int, verdict: str) -> None:
    """On a small file system in a namespace of its own, as an ordinary user may have one."""
    script = SMALL_DISK.format(mib=mib, place=tmp_path, python=sys.executable)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", DISK_CHECK],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if not done.stdout:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.stdout.startswith(f"{verdict} only {mib} MiB free")


def test_results_that_wait_and_that_were_refused_are_counted(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "set-aside").mkdir(parents=True)
    for number in (1, 2):
        (spool / f"{number:012d}.json").write_text("{}")
    settings = Settings(state_dir=tmp_path)
    assert agent_environment.spooled_results(scope(settings)).observation.startswith("2 wait")
    assert agent_environment.spooled_results(scope(settings)).verdict == "ok"
    (spool / "set-aside" / "000000000003.json").write_text("{}")
    assert agent_environment.spooled_results(scope(settings)).verdict == "attend"


HOLDER = """
import sys
from pathlib import Path
from lpnet_agent.state import StateDir
with StateDir(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_agent_that_holds_the_folder_is_told(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert agent_environment.other_agent(scope(settings)).verdict == "ok"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert agent_environment.other_agent(scope(settings)).verdict == "attend"
        tried = run_trial(settings, choose(1))
        assert "an agent measures here" in (tried.skipped or "")
        holder.communicate()
    assert agent_environment.other_agent(scope(settings)).verdict == "ok"


def test_a_pause_and_a_limit_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert agent_environment.owner_limits(scope(settings)).verdict == "ok"
    PauseFile(tmp_path).write(Pause(reason="backups run"))
    found = agent_environment.owner_limits(scope(settings))
    assert found.verdict == "attend"
    assert "backups run" in found.observation
    recorded = Path(__file__).parents[2] / "trees/jetson"
    no_battery = Settings(state_dir=tmp_path, min_battery_pct=50, root=recorded)
    assert agent_environment.owner_limits(scope(no_battery)).verdict == "bad"


def test_a_runtime_that_is_not_there_is_bad() -> None:
    settings = Settings(runtime="tensorrt")
    assert agent_environment.runtime(scope(settings)).verdict == "bad"
    tried = run_trial(settings, choose(1))
    assert tried.skipped == "there is no runtime to measure with"
    assert measurement_noise.within(scope(settings, trial=tried)).verdict == "unknown"
    assert measurement_noise.between(scope(settings, trial=tried)).verdict == "unknown"


def test_a_network_is_really_timed_in_two_sessions() -> None:
    tried = run_trial(Settings(), choose(1))
    assert tried.failure is None
    sessions = {sample.session for sample in tried.samples}
    assert len(sessions) == 2
    assert set(tried.sentinels) == {"arithmetic", "memory"}
    assert tried.paced is not None
    assert tried.paced.session not in sessions
    assert all(sample.latency_ms > 0 for sample in tried.samples)


def test_a_measuring_process_that_cannot_start_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    settings = Settings()
    found = measurement_noise.within(scope(settings, trial=run_trial(settings, choose(1))))
    assert found.verdict == "bad"
    assert "did not start" in found.observation


def timed(latencies: list[list[float]], disturbed: bool = False) -> TrialRun:
    """What a trial of one sentinel comes to, by session."""
    workload = template("memory").ops
    reasons = ("someone was here",) if disturbed else ()
    sessions = tuple(
        tuple(
            Sample(workload=workload, latency_ms=ms, disturbed=disturbed, reasons=reasons)
            for ms in session
        )
        for session in latencies
    )
    return TrialRun({"memory": sessions})


def probed(arithmetic_ns: list[float | None], slowed_runs: int = 0) -> TrialRun:
    """A trial of one sentinel, with probes of that length between 100 runs of each sample."""
    samples = tuple(
        Sample(
            workload=template("memory").ops,
            latency_ms=1.0,
            conditions=Conditions(runs=100, slowed_runs=slowed_runs, arithmetic_ns=ns),
        )
        for ns in arithmetic_ns
    )
    return TrialRun({"memory": (samples,)})


@pytest.mark.parametrize(
    ("trial", "verdict", "observation"),
    [
        (probed([1000, 1020]), "ok", "its clock varies by 2.0%, and 0% of the runs were slowed"),
        (probed([1000, 1000], 10), "attend", "10% of the runs were slowed"),
        (probed([1000, 1000], 40), "bad", "a neighbour computes on its other hyperthread"),
        (probed([1000, 1300]), "bad", "its clock varies by 30.0%"),
        (probed([None, None]), "unknown", "takes no probes"),
    ],
)
def test_the_speed_of_the_core_is_judged(trial: TrialRun, verdict: str, observation: str) -> None:
    finding = measurement_noise.core_speed(scope(Settings(), trial=trial))
    assert finding.verdict == verdict
    assert observation in finding.observation


@pytest.mark.parametrize(
    ("latencies", "within", "between"),
    [
        ([[1.0, 1.01, 1.0], [1.01, 1.01, 1.0]], "ok", "ok"),
        ([[1.0, 1.05, 1.0], [1.0, 1.0, 1.0]], "attend", "ok"),
        ([[1.0, 1.5, 1.0], [1.0, 1.0, 1.0]], "bad", "ok"),
        ([[1.0, 1.0, 1.0], [1.04, 1.04, 1.04]], "ok", "attend"),
        ([[1.0, 1.0, 1.0], [1.3, 1.3, 1.3]], "ok", "bad"),
    ],
)
def test_noise_is_judged(latencies: list[list[float]], within: str, between: str) -> None:
    seen = scope(Settings(), trial=timed(latencies))
    assert measurement_noise.within(seen).verdict == within
    assert measurement_noise.between(seen).verdict == between


@pytest.mark.parametrize(("latency", "told"), [(1.08, False), (1.4, True), (0.7, True)])
def test_what_rests_cost_is_told(latency: float, told: bool) -> None:
    ops = template("arithmetic").ops
    sessions = ((Sample(workload=ops, latency_ms=1.0),),)
    trial = TrialRun({"arithmetic": sessions}, Sample(workload=ops, latency_ms=latency))
    found = measurement_noise.paced(scope(Settings(), trial=trial))
    assert found.verdict == "ok", "how a device is, and no fault of it"
    assert ("--fps 30" in found.observation) == told
    assert f"{latency:.2f} times" in found.observation
    assert (
        measurement_noise.paced(
            scope(Settings(), trial=TrialRun({"arithmetic": sessions}))
        ).verdict
        == "unknown"
    )


def test_a_disturbed_trial_gives_its_reasons() -> None:
    found = measurement_noise.within(
        scope(Settings(), trial=timed([[1.0], [1.0]], disturbed=True))
    )
    assert found.verdict == "attend"
    assert "someone was here" in found.observation


def test_who_keeps_the_machine_busy_is_named() -> None:
    core = max(os.sched_getaffinity(0))
    burn = f"import os\nos.sched_setaffinity(0, [{core}])\nprint('on', flush=True)\nwhile True: 1"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdout=subprocess.PIPE, text=True
    ) as burner:
        try:
            assert burner.stdout is not None
            assert burner.stdout.readline() == "on\n"

            def named() -> bool:
                seen = read_cpu_usage(0.3)
                users = [user.pid for user in seen.processes]
                return burner.pid in users and seen.busy[core] > 0.5

            until(named)
        finally:
            burner.kill()


def test_shares_of_cores_are_shares() -> None:
    seen = read_cpu_usage(0.2)
    assert set(seen.busy) >= os.sched_getaffinity(0)
    assert all(0 <= share <= 1 for share in seen.busy.values())
    assert seen.stolen is None or 0 <= seen.stolen <= 1


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end


@pytest.mark.parametrize(
    ("mine", "other", "verdict"), [(0.0, 0.0, "ok"), (0.2, 0.0, "attend"), (0.9, 0.0, "bad")]
)
def test_load_is_judged_by_the_measured_cores(mine: float, other: float, verdict: str) -> None:
    settings = Settings()
    core = (choose(1) or (0,))[0]
    seen = CpuUsage(
        seconds=1.0,
        busy={core: mine, core + 1: other},
        stolen=None,
        swapped_in=0,
        processes=(CpuProcess(77, "ffmpeg", mine),),
    )
    found = cpu_sharing.load(scope(settings, usage=seen))
    assert found.verdict == verdict
    assert "ffmpeg (77)" in found.observation


def test_the_doctor_puts_its_own_pinning_back() -> None:
    before = os.sched_getaffinity(0)
    assert cpu_sharing.allowed(scope(Settings())).verdict in ("ok", "attend")
    assert os.sched_getaffinity(0) == before
