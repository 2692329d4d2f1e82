"""Elasticities of series by name, with numpy, pydantic and safetensors alone."""

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from models.common.artifact import ArtifactError, read_file, read_spec
from models.common.protocols import InputError
from models.elasticity.levels import Levels
from models.elasticity.requests import ElasticityInput, Reply, checked
from models.elasticity.spec import FORMAT_VERSION, ModelSpec

__all__ = ["ElasticityInput", "Predictor", "Reply", "load"]

MODEL, NUMBERS = "model.json", "series.safetensors"
OF_SERIES = ("elasticity", "error", "promotion", "level", "reference")
OF_GROUPS = ("mean", "mean_error", "spread", "trend")


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    from safetensors.numpy import load as read_arrays

    manifest, spec = read_spec(path, "elasticity", ModelSpec, MODEL, FORMAT_VERSION)
    return Predictor(spec, read_arrays(read_file(path, manifest, NUMBERS)))


class Predictor:
    """Answers for series; thread-safe, holds no state. `numbers`: OF_SERIES (N,), OF_GROUPS (G,), season (G, waves)."""

    def __init__(self, spec: ModelSpec, numbers: Mapping[str, Any]) -> None:
        self.spec = spec
        self.numbers = {name: np.asarray(each, dtype=np.float64) for name, each in numbers.items()}
        sizes = {**dict.fromkeys(OF_SERIES, len(spec.series)), **dict.fromkeys(OF_GROUPS, len(spec.groups))}
        sizes["season"] = len(spec.groups)
        found = {name: len(each) for name, each in self.numbers.items()}
        if found != sizes:
            raise ArtifactError(f"{NUMBERS}: expected {sizes}, found {found}: retrain")
        self._series = {name: number for number, name in enumerate(spec.series)}
        self._groups = {name: number for number, name in enumerate(spec.groups)}

    @property
    def levels(self) -> Levels:
        """Levels, seasons and trends as they stand at the end of the data."""
        of, spec = self.numbers, self.spec
        return Levels(of["level"], of["season"], of["trend"], spec.trend_share, spec.half_life, spec.until)

    def predict(self, request: ElasticityInput) -> Reply:
        """Elasticity of each series, of its group where it is not known. InputError says what is wrong."""
        series, groups = checked(request)
        if unknown := [name for name in groups if name not in self._groups]:
            raise InputError(f"groups: {unknown[0]!r} is unknown; name one of {', '.join(list(self._groups)[:20])}")
        row = np.array([self._series.get(name, -1) for name in series])
        group = np.array([self._groups[name] for name in groups])
        own = row >= 0
        of = {name: self.numbers[name] for name in (*OF_SERIES, *OF_GROUPS)}
        strange = np.sqrt(of["mean_error"] ** 2 + of["spread"] ** 2)
        elasticity = np.where(own, of["elasticity"][row], of["mean"][group])
        error = np.where(own, of["error"][row], strange[group])
        width = NormalDist().inv_cdf(0.5 + self.spec.confidence / 2) * error
        reference, level = (np.where(own, of[name][row], np.nan) for name in ("reference", "level"))
        return Reply(elasticity, error, elasticity - width, elasticity + width, own, reference, level)
