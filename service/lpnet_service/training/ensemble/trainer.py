"""The trainer of ensembles: split, fit, limit, calibrate, predict."""

from __future__ import annotations

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES
from lpnet.model.header import Header
from lpnet_service.training.ensemble.calibration import (
    calibrate,
    cross_predictions,
    outputs,
)
from lpnet_service.training.ensemble.fitting import FULL, QUICK, fit, held_out_by
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.ensemble.limiting import limit
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Predictions, Progress, Trainer

# Share of the time that the fit takes, for progress.
_FITTED = 0.93


class EnsembleTrainer(Trainer[Ensemble]):
    """All members are fitted at once; each pair leaves out a share of the workloads, on which the
    ensemble is calibrated."""

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> Ensemble:
        settings = QUICK if quick else FULL
        own = {
            "members": settings.members,
            "hidden": settings.hidden,
            "held_types": HELD_TYPES,
        }
        own_header = EnsembleHeader.model_validate(header.model_dump() | own)
        inputs = KernelInputs.of(records)
        held_out = held_out_by(records, settings.members, header.seed)

        def fitting(share: float) -> None:
            progress(_FITTED * share, "fitting")

        ensemble = fit(inputs, own_header, settings, held_out, fitting)
        progress(_FITTED, "calibrating")
        limit(ensemble, inputs, held_out)
        return calibrate(ensemble, inputs, records.network, held_out, header.noise_floor_pct)

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[Ensemble, Predictions]:
        """Each record is predicted by the pair of members that left it out."""
        if (QUICK if quick else FULL).members < 4:
            # A single pair leaves out nothing.
            return super().fit_crossed(records, header, progress, quick=quick)
        model = self.fit(records, header, progress, quick=quick)
        held_out = held_out_by(records, model.header.members, header.seed)
        return model, cross_predictions(model, KernelInputs.of(records), held_out)

    def predict(self, model: Ensemble, records: RecordSet) -> Predictions:
        predicted = outputs(model, KernelInputs.of(records))
        return Predictions(predicted.latency, predicted.spread(model))
