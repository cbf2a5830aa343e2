"""Names of devices and targets, and the facts they are made of."""

from __future__ import annotations

import re
from pathlib import Path

import cpuinfo
import pytest

from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.device import DeviceFacts
from lpnet_agent.device_info.facts import clock_policy, cpu_and_flags, read_facts, vector_flags
from lpnet_agent.device_info.names import device_name, target_name
from lpnet_agent.devices.target import target_spec
from lpnet_agent.errors import SetupError
from lpnet_agent.measure.messages import SessionInfo, Setup


@pytest.mark.parametrize(
    ("cpu", "name"),
    [
        ("AMD EPYC", "amd-epyc"),
        ("Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "intel-xeon-gold-6230"),
        ("AMD Ryzen 7 5800X 8-Core Processor", "amd-ryzen-7-5800x"),
        ("AMD Ryzen 5 3500U with Radeon Vega Mobile Gfx", "amd-ryzen-5-3500u"),
        ("ARMv8 Processor rev 3 (v8l)", "armv8-rev-3-v8l"),
        ("Apple M2", "apple-m2"),
        ("x" * 200, "x" * 60),
    ],
)
def test_a_device_is_named_by_its_cpu(cpu: str, name: str) -> None:
    assert device_name(DeviceFacts(cpu=cpu), None) == name
    assert re.fullmatch(TARGET_NAME, name)


def test_a_configured_name_wins() -> None:
    assert device_name(DeviceFacts(cpu="AMD EPYC"), "rack-3.left") == "rack-3.left"


@pytest.mark.parametrize("name", ["", "-x", "two words", "x" * 61, "ümlaut"])
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    with pytest.raises(SetupError, match="device name"):
        device_name(DeviceFacts(), name)


@pytest.mark.parametrize("cpu", [None, "", "(R) CPU @ 2GHz"])
def test_an_unknown_cpu_is_not_guessed(cpu: str | None) -> None:
    with pytest.raises(SetupError, match="--device"):
        device_name(DeviceFacts(cpu=cpu), None)


def test_a_target_is_named_by_its_fields() -> None:
    name = target_name("amd-epyc", "onnxruntime", "1.31.1", "cpu", "fp32", 1)
    assert name == "amd-epyc-ort1.31-cpu-fp32-t1"
    paced = target_name("amd-epyc", "onnxruntime", "1.31.1", "cpu", "fp32", 1, 30.0)
    assert paced == f"{name}-30fps"


def test_a_target_says_what_it_is() -> None:
    setup = Setup(runtime="onnxruntime", threads=2, cores=(2, 3))
    ready = SessionInfo(
        session="s",
        runtime="onnxruntime",
        version="1.31.1",
        provider="cpu",
        precision="fp32",
        options={"spinning": True},
    )
    spec = target_spec("box", setup, ready)
    assert spec.name == "box-ort1.31-cpu-fp32-t2"
    assert spec.cores == (2, 3)
    assert spec.threads == 2
    assert spec.options == {"spinning": True}
    assert spec.power_mode is None


def test_vector_flags_are_picked_out() -> None:
    flags = frozenset({"fpu", "avx2", "sse2", "avx512f", "avx512_bf16", "hypervisor"})
    assert vector_flags(flags) == ("sse2", "avx2", "avx512_bf16", "avx512f")


def test_the_clock_policy_is_read_where_there_is_one(tmp_path: Path) -> None:
    assert clock_policy(0, tmp_path) is None
    file = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    file.parent.mkdir(parents=True)
    file.write_text("performance\n")
    assert clock_policy(0, tmp_path) == "performance"


@pytest.mark.x86_64  # elsewhere py-cpuinfo is asked
def test_the_cpu_is_what_py_cpuinfo_says() -> None:
    info = cpuinfo.get_cpu_info()
    cpu, flags = cpu_and_flags()
    assert cpu == info["brand_raw"]
    # It adds those that the CPU itself names, some of them under a second spelling.
    assert flags
    assert flags <= set(info["flags"])


def test_a_cpu_that_linux_does_not_name_is_named_by_py_cpuinfo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "proc/cpuinfo"
    file.parent.mkdir()
    file.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    info = {"brand_raw": "Cortex-A72", "flags": ["asimd", "fp"]}
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: info)
    assert cpu_and_flags(tmp_path) == ("Cortex-A72", frozenset({"asimd", "fp"}))


def test_this_machine_has_facts() -> None:
    facts = read_facts()
    assert facts.cores is not None
    assert facts.cores >= 1
    assert facts.memory_mib is not None
    assert facts.memory_mib > 100
    assert facts.architecture
