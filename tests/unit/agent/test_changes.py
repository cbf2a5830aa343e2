"""What an owner may ask to have changed on a device: which files, and the journal of them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet_agent.changes.changes import Changes
from lpnet_agent.changes.journal import Change, Journal
from lpnet_agent.changes.wishes import Wishes, resolve, wishes_of
from lpnet_agent.errors import BadSetup
from lpnet_agent.settings import Settings

LAPTOP = Path(__file__).parents[2] / "trees" / "laptop"
CPUS = "sys/devices/system/cpu"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A laptop with eight cores, each with a clock of its own."""
    shutil.copytree(LAPTOP, tmp_path / "root", symlinks=True)
    return tmp_path / "root"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def governor(root: Path, core: int) -> Path:
    return root / CPUS / f"cpu{core}/cpufreq/scaling_governor"


def test_wishes_come_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wishes_of(Settings()) == Wishes()
    monkeypatch.setenv("LPNET_AGENT_GOVERNOR", "performance")
    monkeypatch.setenv("LPNET_AGENT_TURBO", "off")
    assert wishes_of(Settings()) == Wishes("performance", "off")
    for wrong in ({"turbo": "on"}, {"governor": "a b"}, {"governor": "../x"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Settings.model_validate(wrong)


def test_only_the_measured_cores_are_changed(root: Path) -> None:
    found = resolve(Wishes("performance", "off"), (6, 7), root)
    policies = root / CPUS / "cpufreq"
    assert [(wish.path, wish.value) for wish in found] == [
        (policies / "policy6/scaling_governor", "performance"),
        (policies / "policy7/scaling_governor", "performance"),
        (root / CPUS / "intel_pstate/no_turbo", "1"),
    ]
    assert resolve(Wishes(), None, root) == ()


def test_cores_that_share_a_clock_are_changed_once(root: Path) -> None:
    shared = root / CPUS / "cpu7/cpufreq"
    shared.unlink()
    shared.symlink_to("../cpufreq/policy6")
    assert len(resolve(Wishes(governor="performance"), (6, 7), root)) == 1


def test_another_switch_of_turbo(root: Path) -> None:
    (root / CPUS / "intel_pstate/no_turbo").unlink()
    (root / CPUS / "cpufreq/boost").write_text("1\n")
    (wish,) = resolve(Wishes(turbo="off"), None, root)
    assert (wish.path.name, wish.value) == ("boost", "0")


def test_what_a_device_has_not_is_said(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    with pytest.raises(BadSetup, match=r"exposes no governor.*drop --governor"):
        resolve(Wishes(governor="performance"), (0,), bare)
    with pytest.raises(BadSetup, match=r"no_turbo and .*boost.*drop --turbo"):
        resolve(Wishes(turbo="off"), (0,), bare)
    with pytest.raises(BadSetup, match="no measured cores"):
        resolve(Wishes(governor="performance"), None, root)
    available = governor(root, 0).with_name("scaling_available_governors")
    available.write_text("performance powersave\n")
    with pytest.raises(BadSetup, match="governor=fastest: this device has performance, powersave"):
        resolve(Wishes(governor="fastest"), (0,), root)


def test_a_user_who_may_not_is_told_the_command(root: Path, tmp_path: Path) -> None:
    """As another user where the tests run as root, who may write anything."""
    for file in (governor(root, 0), root / CPUS / "intel_pstate/no_turbo"):
        file.chmod(0o444)
    code = (
        "import os, pathlib, sys\n"
        "from lpnet_agent.changes.wishes import Wishes, resolve\n"
        "from lpnet_agent.errors import BadSetup\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "os.chdir(root)\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: resolve(Wishes('performance', 'off'), (0,), pathlib.Path('.'))\n"
        "except BadSetup as error: print(error)\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    said = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
    ).stdout
    user = pwd.getpwuid(65534 if os.geteuid() == 0 else os.geteuid()).pw_name
    assert "governor=performance and turbo=off" in said
    assert "nothing was changed" in said
    assert f"sudo chown {user} " in said
    assert said.count("scaling_governor") == said.count("no_turbo") == 2


# --- the journal


@pytest.fixture
def cpus(tmp_path: Path) -> Path:
    """Where files may be changed, below a root that is the test's folder."""
    (tmp_path / CPUS).mkdir(parents=True)
    return tmp_path / CPUS


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "{root}/secret", "{cpus}/../secret", "{cpus}/out/secret", "{cpus}/.."]
)
def test_a_journal_that_names_other_files_writes_nothing(
    tmp_path: Path, cpus: Path, name: str
) -> None:
    """Whoever may write the state folder is not given the rights of the agent."""
    (cpus / "out").symlink_to(tmp_path)
    files = [cpus / "mine", tmp_path / "secret", cpus.parent / "secret"]
    for file in files:
        file.write_text("new\n")
    journal = Journal(tmp_path, tmp_path)
    strange = Change(name.format(root=tmp_path, cpus=cpus), "old", "new")
    journal.write("m", [Change(str(cpus / "mine"), "old", "new"), strange])
    with pytest.raises(ValueError, match="which no agent changes"):
        journal.undo()
    assert {file.read_text() for file in files} == {"new\n"}
    assert journal.exists()


def test_the_journal_puts_back_what_still_holds_our_value(tmp_path: Path, cpus: Path) -> None:
    ours, theirs, same, gone = (cpus / name for name in ("ours", "theirs", "same", "gone"))
    changes = [Change(str(path), "old", "new") for path in (ours, theirs, same, gone)]
    journal = Journal(tmp_path, tmp_path)
    journal.write("mine", changes)
    ours.write_text("new\n")
    theirs.write_text("other\n")
    same.write_text("old\n")
    assert journal.undo("someone else's") == []
    said = {Path(one.words.split()[0]).name: one for one in journal.undo("mine")}
    assert [path.read_text() for path in (ours, theirs, same)] == ["old\n", "other\n", "old\n"]
    assert "left at 'other': someone else has set it since" in said["theirs"].words
    assert "gone" in said["gone"].words
    assert all(one.settled for one in said.values())
    assert not journal.exists()
    assert journal.undo() == []


def test_what_cannot_be_put_back_stays_in_the_journal(tmp_path: Path, cpus: Path) -> None:
    good, bad = cpus / "good", cpus / "bad"
    good.write_text("new\n")
    # A value of the kernel's that takes numbers only.
    bad.symlink_to("/proc/self/oom_score_adj")
    now = bad.read_text().strip()
    journal = Journal(tmp_path, tmp_path)
    journal.write("m", [Change(str(bad), "no number", now), Change(str(good), "old", "new")])
    assert [one.settled for one in journal.undo()] == [True, False]
    assert good.read_text() == "old\n"
    assert journal.exists()
    assert [one.settled for one in journal.undo()] == [False]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"mark": "m"}', '{"mark": 1, "changes": [1]}']
)
def test_a_journal_that_cannot_be_read_stops_the_agent(
    content: str, state: Path, root: Path
) -> None:
    (state / "changes.json").write_text(content)
    with pytest.raises(BadSetup, match=r"changes.*by hand, then delete it"):
        Changes(Wishes(), (0,), state, root)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), unique=True), st.data())
def test_whoever_died_where_it_is_put_back(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Any part of the changes was made: all files end as they began."""
    folder = tmp_path_factory.mktemp("journal")
    changes = []
    for number, (old, new) in enumerate(wanted):
        path = folder / CPUS / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        changes.append(Change(str(path), old, new))
        path.write_text(data.draw(st.sampled_from([old, new])))
    journal = Journal(folder, folder)
    journal.write("m", changes)
    assert all(one.settled for one in journal.undo())
    assert [Path(c.path).read_text().strip() for c in changes] == [c.old for c in changes]
