"""Passes, rejects or asks a human, with numpy, pydantic and ONNX Runtime alone: what a service and an edge box run."""

from pathlib import Path
from typing import Any

import numpy as np

from models.common.artifact import ArtifactError, read_file, read_spec
from models.inspection.conformal import Thresholds
from models.inspection.data import FARTHEST, Floats, Ints, assemble, off_nominal
from models.inspection.registering import Pixels, registered
from models.inspection.requests import InspectionInput, Reply, checked
from models.inspection.spec import FORMAT_VERSION, ModelSpec

__all__ = ["InspectionInput", "Predictor", "Reply", "load"]

MODEL, GRAPH = "model.json", "network.onnx"
INPUTS, OUTPUT = ("picture", "approved", "readings"), "logits"
_TOGETHER = 64  # packages of a run: memory stays the same whatever is asked


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, "inspection", ModelSpec, MODEL, FORMAT_VERSION)
    return Predictor(spec, read_file(path, manifest, GRAPH))


class Predictor:
    """Inspects packages; thread-safe, holds no state."""

    def __init__(self, spec: ModelSpec, graph: bytes) -> None:
        self.spec = spec
        self._session = _session(graph)
        names = tuple(each.name for each in self._session.get_inputs())
        kinds = self._session.get_outputs()[0].shape[-1]
        if names != INPUTS or kinds != len(spec.kinds):
            raise ArtifactError(
                f"{GRAPH}: expected inputs {INPUTS} and {len(spec.kinds)} kinds, found {names} and {kinds}: retrain"
            )
        self.thresholds = Thresholds(
            -np.inf if spec.pass_below is None else spec.pass_below,
            np.inf if spec.reject_above is None else spec.reject_above,
        )

    def predict(self, request: InspectionInput) -> Reply:
        """The decision on each package. InputError says what is wrong."""
        told = checked(request, self.spec.side_px)
        moved = registered(told.pictures, told.approved, told.batch, self.spec.furthest_px)
        return self.reply(self.logits(moved, told.approved, told.batch, told.off))

    def within_range(self, request: InspectionInput) -> float:
        """Share of the readings that are not further off than any reading that training told apart."""
        off = off_nominal(request.readings, request.nominal[request.batch])
        return float((np.abs(off / self.spec.spread) <= FARTHEST).mean())

    def reply(self, logits: Floats) -> Reply:
        """The reply that logits (N, K) stand for."""
        away = logits - logits.max(axis=1, keepdims=True)
        kinds = np.exp(away)
        kinds /= kinds.sum(axis=1, keepdims=True)
        score = log_odds(logits)
        names = np.array(self.spec.kinds)
        return Reply(
            self.thresholds.decide(score), 1 - kinds[:, 0], names[1 + kinds[:, 1:].argmax(axis=1)], kinds, score
        )

    def logits(self, moved: Pixels, approved: Pixels, batch: Ints, off: Floats) -> Floats:
        """Logits (N, K) of registered pictures."""
        spread, found = np.array(self.spec.spread), []
        for start in range(0, len(moved), _TOGETHER):
            rows = slice(start, start + _TOGETHER)
            fed = assemble(moved[rows], approved[batch[rows]], off[rows], spread)
            found.append(self._session.run([OUTPUT], fed)[0])
        return np.concatenate(found).astype(np.float64)


def log_odds(logits: Floats) -> Floats:
    """Log odds of a defect (N,) from logits (N, K), exact where a probability would round to 0 or 1."""
    return np.asarray(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0])


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
