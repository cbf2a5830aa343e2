"""A phone as the device."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lpnet.errors import MissingExtra
from lpnet.schemas.device import Budgets, TargetSpec
from lpnet.stop import Stop
from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.binary import Binary, read_binary
from lpnet_agent.devices.adb.clusters import Cluster, read_clusters, select_cluster
from lpnet_agent.devices.adb.facts import (
    PROPERTIES_COMMAND,
    parse_properties,
    phone_facts,
    phone_name,
)
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.owner import PhoneOwner, update_files
from lpnet_agent.devices.adb.phone import Phone
from lpnet_agent.devices.adb.session import Convert, PhoneSession
from lpnet_agent.devices.adb.visit import MIN_WARMUP_S, BenchmarkRunner
from lpnet_agent.devices.base import measure_setup
from lpnet_agent.devices.target import target_spec
from lpnet_agent.errors import DeviceUnavailable, MeasureFailed, SetupError
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo
from lpnet_agent.measure.plan import TimingPlans
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.settings import Settings

RUNTIME, PROVIDER, PRECISION = "litert", "cpu", "fp32"
# The default for this machine is ignored for phones; any other runtime was chosen on purpose.
_DEFAULT_RUNTIME = "onnxruntime"

_CANNOT_EXECUTE = (126, 127)


@contextmanager
def open_phone(settings: Settings, stop: Stop, user: str = "agent") -> Iterator[PhoneDevice]:
    """The phone that the settings name, within the context.

    Nothing is written to it before a measurer starts, and the agent's files are removed at the
    end. `user`: see FileStore. Raises SetupError, saying what to do, and MissingExtra.
    """
    serial = settings.adb
    assert serial is not None
    _check_settings(settings)
    convert = load_converter()
    binary = read_binary(settings.benchmark_model, settings.benchmark_model_sha256)
    try:
        phone = Phone(serial, stop)
        with MirroredFiles() as files:
            store = FileStore(phone, binary, settings.state_dir, user)
            try:
                yield PhoneDevice(settings, phone, files, store, binary, convert)
            finally:
                store.close()
    except DeviceUnavailable as error:
        raise SetupError(str(error)) from error


class PhoneDevice:
    """See devices.base.Device."""

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
        files.update("fixed", phone.run(mirrored_files.FIXED).out)
        update_files(phone, files)
        properties = parse_properties(phone.run(PROPERTIES_COMMAND).out)
        self.facts = phone_facts(properties, files.root)
        self.name = phone_name(properties, settings.device)
        clusters = read_clusters(files.root)
        self.cluster = select_cluster(settings.cluster, clusters, settings.threads)
        _check_pinning(phone, self.cluster)
        setup = measure_setup(settings, self.cluster.cores)
        self._setup = setup.model_copy(update={"runtime": RUNTIME})
        rules = OwnerRules(limits_of(settings), settings.state_dir, files.root)
        self.owner = PhoneOwner(rules, phone, files, store)

    @property
    def root(self) -> Path:
        return self._files.root

    @property
    def budgets(self) -> Budgets:
        return TimingPlans.from_setup(self._setup).max_budgets(self._setup.visits, MIN_WARMUP_S)

    def measurer(self, stop: Stop) -> Measurer:
        try:
            self._store.install()
        except DeviceUnavailable:
            raise
        except MeasureFailed as error:
            raise SetupError(str(error)) from error
        _check_execution(self.phone, self._store.program)
        runner = BenchmarkRunner(
            self.phone, self._files, self.cluster, self._store, self._setup.threads
        )
        measurer = Measurer(
            self._setup,
            stop,
            self._settings.workload_timeout_s,
            lambda: PhoneSession(
                self._setup, self._session_info(), runner, self._store, self._convert
            ),
        )
        self.phone.heartbeat = measurer.beat
        return measurer

    def target(self, info: SessionInfo) -> TargetSpec:
        # The cluster is part of the name, unless it is the phone's only one.
        variant = "" if self.cluster.name == "all" else self.cluster.name
        return target_spec(self.name, self._setup, info, self._files.root, variant)

    def _session_info(self) -> SessionInfo:
        # benchmark_model does not print the version of LiteRT; its hash identifies the build.
        return SessionInfo(
            session=uuid.uuid4().hex,
            runtime=RUNTIME,
            version="",
            provider=PROVIDER,
            precision=PRECISION,
            options={"delegate": "xnnpack", "benchmark_model": self._binary.short},
        )


def load_converter() -> Convert:
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingExtra("measuring on a phone", "phones", "ai_edge_litert")
    from lpnet_agent.runtimes.litert.writer import tflite

    return tflite


def _check_settings(settings: Settings) -> None:
    if settings.runtime not in (_DEFAULT_RUNTIME, RUNTIME):
        raise SetupError(
            f"--runtime {settings.runtime}: phones over adb can only be measured with {RUNTIME}"
        )
    for name, value, supported in (
        ("provider", settings.provider, PROVIDER),
        ("precision", settings.precision, PRECISION),
    ):
        if value != supported:
            raise SetupError(
                f"--{name} {value}: phones over adb can only be measured with {supported}"
            )
    if settings.runtime_options:
        raise SetupError(
            f"--option {settings.runtime_options}: phones over adb have no runtime options"
        )


def _check_pinning(phone: Phone, cluster: Cluster) -> None:
    result = phone.run(f"taskset {cluster.mask} true")
    if result.code:
        raise SetupError(
            f"phone {phone.serial} cannot pin to {cluster.description} ({result.error_line}): "
            "select another --cluster, or check whether those cores are switched off"
        )


def _check_execution(phone: Phone, program: str) -> None:
    # Without a network the program prints an error, if it can be executed.
    result = phone.run(program)
    if result.code in _CANNOT_EXECUTE:
        abi = phone.run("getprop ro.product.cpu.abi").out.strip() or "unknown"
        raise SetupError(
            f"benchmark_model cannot be executed on phone {phone.serial} ({result.error_line}): "
            f"it has to be built for Android and for the ABI {abi}"
        )
