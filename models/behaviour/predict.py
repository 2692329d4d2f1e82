"""Tells attention and dwell of shoppers, with numpy, pydantic and ONNX Runtime alone: what a service and an edge box run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.batches import INPUTS, OUTPUTS
from models.behaviour.config import Config
from models.behaviour.requests import BehaviourInput, Reply, checked
from models.behaviour.sequences import Sequences, inputs_of, sequences
from models.behaviour.shop import Ints
from models.behaviour.spec import FORMAT_VERSION, LEVELS, ModelSpec
from models.behaviour.telling import Outputs, Told, tell
from models.common.artifact import ArtifactError, read_file, read_spec
from models.common.sessions import open_session

__all__ = ["BehaviourInput", "Predictor", "Reply", "load"]

MODEL, GRAPH = "model.json", "network.onnx"
_TOLD = [LEVELS.index(level) for level in (0.1, 0.5, 0.9)]


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, "behaviour", ModelSpec, MODEL, FORMAT_VERSION)
    return Predictor(spec, read_file(path, manifest, GRAPH))


class Predictor:
    """Watches shoppers; thread-safe, holds no state."""

    def __init__(self, spec: ModelSpec, graph: bytes) -> None:
        self.spec = spec
        self.shop = spec.shop.shop()
        self._session: Any = open_session(graph)
        inputs = {each.name: each.shape[-1] for each in self._session.get_inputs()}
        if tuple(inputs) != INPUTS or inputs["inputs"] != inputs_of(self.shop):
            raise ArtifactError(
                f"{GRAPH}: expected inputs {INPUTS} with {inputs_of(self.shop)} numbers a step, found {inputs}: retrain"
            )
        self._cfg = Config(zone_m=spec.zone_m, zone_beside_m=spec.zone_beside_m, recency_s=spec.recency_s)

    def predict(self, request: BehaviourInput) -> Reply:
        """Attention and dwell of each path so far, and what is left of its stop. InputError says what is wrong."""
        steps = sequences(checked(request, self.shop), self.shop, self._cfg)
        told = self.tell(steps, np.arange(len(steps.lengths)))
        last = steps.start[1:] - 1
        standing = told.stays[last] >= 0.5
        return Reply(
            told.attention_s,
            np.sqrt(self.spec.together * told.unrest),
            told.dwell_s,
            np.where(standing, steps.faced[last], -1),
            np.where(standing[:, None], told.left_s[last][:, _TOLD], 0.0),
        )

    def tell(self, steps: Sequences, paths: Ints) -> Told:
        """What the network says of some paths (P,) of sequences."""
        return tell(steps, paths, self.shop, self._run, unit_s=self.spec.left_scale_s)

    def _run(self, fed: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        lanes, stop, left = self._session.run(list(OUTPUTS), dict(fed))
        return lanes, stop, left
