"""Segments of customers by the nearest centre, with numpy and pydantic alone: what a service runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.common.artifact import read_file, read_spec
from models.profiles.behaviour import Floats, features
from models.profiles.requests import ProfileInput, Reply, checked
from models.profiles.scaling import Scaling, distances
from models.profiles.spec import FORMAT_VERSION, ModelSpec

__all__ = ["Predictor", "ProfileInput", "Reply", "load"]

MODEL, NETWORK = "model.json", "influence.safetensors"


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, "profiles", ModelSpec, MODEL, FORMAT_VERSION)
    return Predictor(spec, read_file(path, manifest, NETWORK) if spec.network else None)


class Predictor:
    """Assigns segments; thread-safe, holds no state. `network` are the weights that tell influence, None without one."""

    def __init__(self, spec: ModelSpec, network: bytes | None) -> None:
        self.spec = spec
        self.network = network
        self._scaling = Scaling(np.array(spec.center), np.array(spec.spread), spec.clip)
        self._centers = np.array([segment.center for segment in spec.segments])
        self._names = np.array([segment.name for segment in spec.segments])

    def predict(self, request: ProfileInput) -> Reply:
        """The segment of each customer. InputError says what is wrong."""
        away = distances(self.scaled(checked(request)), self._centers)
        segment = away.argmin(axis=1)
        own, following = np.sort(away, axis=1)[:, :2].T
        confidence = np.where(following > 0, (following - own) / np.where(following > 0, following, 1.0), 0.0)
        return Reply(segment.astype(np.int64), self._names[segment], confidence, away)

    def scaled(self, sums: Mapping[str, Floats]) -> Floats:
        """Features (N, F) in usual ranges of customers whose sums are (N,) each."""
        return self._scaling.apply(features(sums, self.spec.usual, self.spec.features))
