"""A phone as the device."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lpnet.errors import MissingExtra
from lpnet.schemas.device import Budgets, TargetSpec
from lpnet_agent.device_info.facts import clock_policy
from lpnet_agent.device_info.names import target_name
from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.binary import Binary, read_binary
from lpnet_agent.devices.adb.clusters import Cluster, chosen, clusters
from lpnet_agent.devices.adb.facts import PROPERTIES, phone_facts, phone_name, properties
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.owner import PhoneOwner, read
from lpnet_agent.devices.adb.phone import Phone
from lpnet_agent.devices.adb.session import Convert, PhoneSession
from lpnet_agent.devices.adb.visit import MIN_WARMUP_S, BenchmarkRunner
from lpnet_agent.errors import BadSetup, DeviceAway, MeasureFailed
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo, Setup
from lpnet_agent.measure.visits import plans
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.settings import Settings
from lpnet_agent.stop import Stop

RUNTIME, PROVIDER, PRECISION = "litert", "cpu", "fp32"
# What is usual here is usual there; whoever sets another means another.
_USUAL = "onnxruntime"

_CANNOT_RUN = (126, 127)


@contextmanager
def open_phone(settings: Settings, stop: Stop, user: str = "agent") -> Iterator[PhoneDevice]:
    """The phone that the settings name, from the first look at it until nothing of the agent is
    left on it; nothing is written there before a measurer begins. `user`: see Store.

    Raises BadSetup, saying what to do, and MissingExtra.
    """
    serial = settings.adb
    assert serial is not None
    _check(settings)
    convert = converter()
    binary = read_binary(settings.benchmark_model, settings.benchmark_model_sha256)
    try:
        phone = Phone(serial, stop)
        with MirroredFiles() as files:
            store = FileStore(phone, binary, settings.state_dir, user)
            try:
                yield PhoneDevice(settings, phone, files, store, binary, convert)
            finally:
                store.close()
    except DeviceAway as error:
        raise BadSetup(str(error)) from error


class PhoneDevice:
    """See transports.base.Place."""

    def __init__(
        self,
        settings: Settings,
        phone: Phone,
        files: MirroredFiles,
        store: FileStore,
        binary: Binary,
        convert: Convert,
    ) -> None:
        self._settings = settings
        self.phone = phone
        self._files = files
        self._store = store
        self._binary = binary
        self._convert = convert
        files.take("fixed", phone.run(mirrored_files.FIXED).out)
        read(phone, files)
        known = properties(phone.run(PROPERTIES).out)
        self.facts = phone_facts(known, files.root)
        self.name = phone_name(known, settings.device)
        self.cluster = chosen(settings.cluster, clusters(files.root), settings.threads)
        _can_pin(phone, self.cluster)
        self._setup = _setup(settings, self.cluster)
        limits = OwnerRules(limits_of(settings), settings.state_dir, files.root)
        self.owner = PhoneOwner(limits, phone, files, store)

    @property
    def root(self) -> Path:
        """The phone's files, as they were read last."""
        return self._files.root

    @property
    def budgets(self) -> Budgets:
        longest = {
            kind: self._setup.visits * (MIN_WARMUP_S + plan.max_s)
            for kind, plan in plans(self._setup).items()
        }
        return Budgets(block_s=longest["block"], network_s=longest["network"])

    def measurer(self, stop: Stop) -> Measurer:
        try:
            self._store.install()
        except DeviceAway:
            raise
        except MeasureFailed as error:
            raise BadSetup(str(error)) from error
        _can_run(self.phone, self._store.program)
        visitor = BenchmarkRunner(
            self.phone, self._files, self.cluster, self._store, self._setup.threads
        )
        settings = self._settings
        measurer = Measurer(
            self._setup,
            stop,
            settings.workload_timeout_s,
            lambda: PhoneSession(self._setup, self._ready(), visitor, self._store, self._convert),
        )
        self.phone.meanwhile = measurer.beat
        return measurer

    def target(self, ready: SessionInfo) -> TargetSpec:
        """Named after the cluster too, unless the phone has but one."""
        setup, cluster = self._setup, self.cluster
        variant = "" if cluster.name == "all" else cluster.name
        return TargetSpec(
            name=target_name(
                self.name,
                ready.runtime,
                "",
                ready.provider,
                ready.precision,
                setup.threads,
                setup.fps,
                variant,
            ),
            runtime=ready.runtime,
            provider=ready.provider,
            precision=ready.precision,
            threads=setup.threads,
            cores=cluster.cores,
            clock_policy=clock_policy(cluster.cores[0], self._files.root),
            duty=setup.duty,
            options=ready.options,
        )

    def _ready(self) -> SessionInfo:
        """benchmark_model does not say which LiteRT it is of: its hash tells builds apart."""
        return SessionInfo(
            session=uuid.uuid4().hex,
            runtime=RUNTIME,
            version="",
            provider=PROVIDER,
            precision=PRECISION,
            options={"delegate": "xnnpack", "benchmark_model": self._binary.short},
        )


def converter() -> Convert:
    """Writes networks as LiteRT reads them. Raises MissingExtra."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingExtra("measuring on a phone", "phones", "ai_edge_litert")
    from lpnet_agent.runtimes.litert.writer import tflite

    return tflite


def _check(settings: Settings) -> None:
    """Raises BadSetup for settings that no phone can meet."""
    if settings.runtime not in (_USUAL, RUNTIME):
        raise BadSetup(
            f"--runtime {settings.runtime}: phones over adb run {RUNTIME}, nothing else"
        )
    for name, given, there in (
        ("provider", settings.provider, PROVIDER),
        ("precision", settings.precision, PRECISION),
    ):
        if given != there:
            raise BadSetup(f"--{name} {given}: phones over adb are measured with {there} only")
    if settings.runtime_options:
        raise BadSetup(f"--option {settings.runtime_options}: there is none for phones over adb")


def _setup(settings: Settings, cluster: Cluster) -> Setup:
    return Setup(
        runtime=RUNTIME,
        threads=settings.threads,
        cores=cluster.cores,
        block_s=settings.block_s,
        network_s=settings.network_s,
        fps=settings.fps,
        visits=settings.visits,
        gap_s=settings.gap_s,
        crowded=settings.crowded,
    )


def _can_pin(phone: Phone, cluster: Cluster) -> None:
    ended = phone.run(f"taskset {cluster.mask} true")
    if ended.code:
        raise BadSetup(
            f"phone {phone.serial} cannot pin to {cluster.words} ({ended.complaint}): choose "
            "another --cluster, or see whether those cores are switched off"
        )


def _can_run(phone: Phone, program: str) -> None:
    """Without a network it complains, which it has to run for."""
    ended = phone.run(program)
    if ended.code in _CANNOT_RUN:
        abi = phone.run("getprop ro.product.cpu.abi").out.strip() or "unknown"
        raise BadSetup(
            f"benchmark_model cannot be run on phone {phone.serial} ({ended.complaint}): it has "
            f"to be built for Android and for its ABI, {abi}"
        )
