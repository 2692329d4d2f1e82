"""The bridge to the model room and the feature room: opens both, and speaks the protocols of `serving.champion`."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.online import FeastState, SnapshotState
from models.common.artifact import Manifest, read_manifest
from models.forecaster.fallback import Frequency
from models.forecaster.predict import ForecastInput, Predictor, load
from serving.champion import Overrides, Prediction, StateReader, StateRows
from serving.settings import ServeSettings


class OnnxModel:
    """The forecaster's Predictor behind `serving.champion.Model`."""

    def __init__(self, predictor: Predictor, manifest: Manifest) -> None:
        self._predictor, self._manifest = predictor, manifest

    @property
    def artifact_id(self) -> str:
        """Id that the manifest's hashes add up to."""
        return self._manifest.artifact_id

    @property
    def frequency(self) -> Frequency:
        """Length of a period."""
        return self._predictor.spec.frequency

    @property
    def horizon(self) -> int:
        """Most periods ahead."""
        return self._predictor.horizon

    @property
    def known_ahead(self) -> tuple[str, ...]:
        """Covariates known ahead that it looks at."""
        return self._predictor.spec.covariates

    @property
    def trained_until(self) -> date:
        """Last period seen in training."""
        return self._manifest.trained_until

    @property
    def metrics(self) -> tuple[Mapping[str, Any], ...]:
        """Rows of its report."""
        return self._manifest.metrics

    def predict(self, rows: StateRows, horizon: int, overrides: Overrides) -> Prediction:
        """Mean and quantiles of each series; NaN for a series without a known origin or level."""
        answerable = ~np.isnat(rows.origin) & (rows.state["scale"] > 0)
        values = np.full((rows.origin.size, horizon, 4), np.nan, dtype=np.float32)
        if not answerable.any():
            return Prediction(values, rows.origin, 1.0)
        reply = self._predictor.predict(self._input(rows, horizon, overrides, answerable))
        values[answerable] = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2)
        return Prediction(values, rows.origin, float(reply.confidence.mean()))

    def explain(self, rows: StateRows, horizon: int, overrides: Overrides) -> list[dict[str, Any]]:
        """Steps, base and groups of each series."""
        everything = np.ones(rows.origin.size, dtype=np.bool_)
        found = self._predictor.reasons(self._input(rows, horizon, overrides, everything))
        steps, base, values = found.steps.tolist(), found.base.tolist(), found.values.transpose(0, 2, 1).tolist()
        return [
            {"steps": steps, "base": base[row], "groups": dict(zip(found.groups, values[row], strict=True))}
            for row in range(len(base))
        ]

    def _input(
        self, rows: StateRows, horizon: int, overrides: Overrides, wanted: npt.NDArray[np.bool_]
    ) -> ForecastInput:
        spec = self._predictor.spec
        return ForecastInput(
            state={name: rows.state[name][wanted] for name in spec.state_columns},
            known_future={name: _planned(rows, name, horizon, overrides)[wanted] for name in spec.covariates},
            origin=rows.origin[wanted],
            steps=horizon,
        )


def load_model(folder: Path) -> OnnxModel:
    """Open an artifact folder; ArtifactError when it is not what its manifest says."""
    return OnnxModel(load(folder), read_manifest(folder))


def load_snapshot(folder: Path) -> StateReader:
    """Open the state of a release."""
    return SnapshotState(folder)


def feature_reader(settings: ServeSettings) -> Callable[[Path], StateReader] | None:
    """Feast's online store where the settings ask for it, else None: the release's snapshot is read."""
    if settings.online_state == "snapshot":
        return None
    if settings.feast_repo is None:
        raise ValueError(
            "STORELOOP_SERVE_ONLINE_STATE=feast needs STORELOOP_SERVE_FEAST_REPO: the folder of the applied repository"
        )
    store = FeastState.open(settings.feast_repo)
    return lambda _release: store


def _planned(rows: StateRows, name: str, horizon: int, overrides: Overrides) -> npt.NDArray[np.floating[Any]]:
    """All that is planned, `(N, H)`, also past the wanted periods: the last of them looks at the one that follows it."""
    planned = rows.known_future[name]
    wished = overrides.get(name)
    if wished is None:
        return planned
    wanted = np.where(np.isnan(wished), planned[:, :horizon], wished)
    return np.concatenate([wanted, planned[:, horizon:]], axis=1)
