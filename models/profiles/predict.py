"""Segments of customers by the nearest centre, with numpy and pydantic alone: what a service runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.common.artifact import ArtifactError, read_artifact, read_file
from models.profiles.behaviour import Floats, features
from models.profiles.requests import ProfileInput, Reply, checked
from models.profiles.scaling import Scaling, distances
from models.profiles.spec import FORMAT_VERSION, ModelSpec

__all__ = ["Predictor", "ProfileInput", "Reply", "load"]

MODEL, NETWORK = "model.json", "influence.safetensors"


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest = read_artifact(path)
    if manifest.name != "profiles":
        raise ArtifactError(
            f"{path}: expected an artifact of 'profiles', found {manifest.name!r}: load it with its own package"
        )
    try:
        spec = ModelSpec.model_validate_json(read_file(path, manifest, MODEL))
    except ValidationError as error:
        raise ArtifactError(
            f"{path}/{MODEL}: expected fields of this code, found {error.error_count()} misfits: retrain"
        ) from error
    if spec.format_version != FORMAT_VERSION:
        raise ArtifactError(f"{path}: expected format {FORMAT_VERSION}, found {spec.format_version}: retrain")
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
