"""Measures the jobs of the server; their results go to the spool."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import structlog

from lpnet.alive import AliveFile
from lpnet.errors import FileFormatError, LpnetError, NotFound
from lpnet.http import Http
from lpnet.schemas.campaign import Lease
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, WriteFailed
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.sentinels.monitor import ShouldContinue
from lpnet_agent.serve.held_lease import LeaseHeartbeat, LeaseResults, Unfinished
from lpnet_agent.serve.readiness import Readiness, ReadinessCheck
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Spool

log = structlog.get_logger()


class JobRunner:
    """Measures the items of a lease while the target is ready and the lease is held."""

    def __init__(
        self,
        http: Http,
        measurer: Measurer,
        readiness: ReadinessCheck,
        spool: Spool,
        spaces: SpaceFiles,
        stop: Stop,
        alive: AliveFile,
    ) -> None:
        self._http = http
        self._measurer = measurer
        self._readiness = readiness
        self._spool = spool
        self._spaces = spaces
        self._stop = stop
        self._alive = alive

    def run(self, lease: Lease) -> None:
        """Measure a job; when this returns or raises, its results are in the spool.

        Raises SetupError if no measuring process starts, and what fetching a space raises.
        """
        log.info(
            "job",
            workloads=len(lease.items),
            fresh=lease.fresh_session,
            request_id=self._http.request_id,
        )
        results = LeaseResults(lease)
        unfinished: Unfinished | None = Unfinished("the agent failed")
        try:
            files = self._space_files(lease)
            if lease.fresh_session:
                self._measurer.renew()
            unfinished = self._measure(lease, files, results)
        except Interrupted as error:
            unfinished = Unfinished(str(error), postponed=True)
        except (NotFound, FileFormatError) as error:
            unfinished = Unfinished(str(error))
        except LpnetError as error:
            unfinished = Unfinished(str(error), postponed=isinstance(error, WriteFailed))
            raise
        finally:
            self._spool.put(results.to_spool(unfinished))

    def _space_files(self, lease: Lease) -> dict[str, Path]:
        hashes = {item.workload.space for item in lease.items}
        return {space_hash: self._spaces.path(space_hash) for space_hash in hashes}

    def _measure(
        self, lease: Lease, files: dict[str, Path], results: LeaseResults
    ) -> Unfinished | None:
        heartbeat = LeaseHeartbeat(self._http, lease)

        def keep_lease() -> bool:
            # Called during sentinel checks, which take seconds.
            self._alive.touch()
            heartbeat.send_if_due(len(results.samples))
            return not self._stop.is_set()

        def should_continue() -> bool:
            self._alive.touch()
            return (
                not self._stop.is_set()
                and heartbeat.send_if_due(len(results.samples))
                and permission.is_granted()
            )

        permission = _Permission(self._readiness, results, keep_lease)
        items = [Item.model_validate(item.model_dump()) for item in lease.items]
        with self._measurer.heartbeat(keep_lease):
            for result in measure_all(
                self._measurer,
                items,
                lambda item: files[item.workload.space],
                should_continue,
                np.random.default_rng(),
            ):
                results.add(result)
        # Checked again at the end: a drift also invalidates a job that is finished.
        if not self._stop.is_set():
            permission.is_granted()
        refused = permission.refused
        if refused is not None and refused.drifted:
            dropped = results.drop_unconfirmed()
            log.warning("samples dropped; they will be measured again", samples=dropped)
        if len(results) == len(items):
            return None
        if refused is not None:
            return Unfinished(refused.reason or "not now", postponed=True)
        if heartbeat.lost:
            return Unfinished("the lease was lost")
        return Unfinished("the agent is stopping", postponed=True)


class _Permission:
    """Permission to measure the next workload of a job.

    Once refused it stays refused; `refused` is the readiness that did.
    """

    def __init__(
        self, readiness: ReadinessCheck, results: LeaseResults, should_continue: ShouldContinue
    ) -> None:
        self._readiness = readiness
        self._results = results
        self._should_continue = should_continue
        self.refused: Readiness | None = None

    def is_granted(self) -> bool:
        """Check the readiness. A good sentinel check confirms the results so far."""
        if self.refused is None:
            readiness = self._readiness.check(in_job=True, should_continue=self._should_continue)
            if readiness.state != "ready":
                self.refused = readiness
            elif readiness.confirmed:
                self._results.confirm()
        return self.refused is None
