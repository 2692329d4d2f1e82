"""Prediction with ONNX Runtime, numpy and pydantic alone: what a service and an edge box run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.artifact import ArtifactError, read_file, read_spec
from models.common.protocols import InputError
from models.forecaster.blend import LEVEL, Member, segment_of
from models.forecaster.explaining import explain_effects, explain_rows, explain_sequences
from models.forecaster.hierarchy import Levels, Members, Sums, aggregate
from models.forecaster.inputs import FeatureMatrix, assemble
from models.forecaster.requests import ForecastInput, Reasons, Reply, checked_steps, refuse_infinite, targets_of
from models.forecaster.sources import level_known
from models.forecaster.spec import GROUPS, INPUTS_VERSION, ModelSpec, feature_group

__all__ = ["ForecastInput", "Predictor", "Reasons", "Reply", "load"]

Float = npt.NDArray[np.floating[Any]]
REASON_STEPS = 14  # steps explained by default: 2^8 coalitions of each must stay well under 0.2 s
TREES, MEAN, NETWORK = "forecast.onnx", "mean.onnx", "network.onnx"
_CHUNK_ROWS = 200_000  # rows assembled at once: 10,000 series x 42 steps would be gigabytes in one piece


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, "forecaster", ModelSpec, "model.json", None)
    if spec.inputs_version != INPUTS_VERSION:
        raise ArtifactError(
            f"{path}: expected inputs version {INPUTS_VERSION}, found {spec.inputs_version}: its features are not made "
            "any more as they were in training; retrain"
        )
    names = (TREES, MEAN, NETWORK) if "network" in spec.blend.members else (TREES, MEAN)
    return Predictor(spec, {name: read_file(path, manifest, name) for name in names})


class Predictor:
    """Forecasts and explains; thread-safe, holds no state beside its ONNX sessions."""

    def __init__(self, spec: ModelSpec, graphs: Mapping[str, bytes]) -> None:
        """graphs: forecast.onnx, mean.onnx and, where a network is part of the blend, network.onnx."""
        self.spec = spec
        self._graphs = graphs
        self._forecast = _session(graphs[TREES], threads=1)
        self._network = _session(graphs[NETWORK], threads=1) if "network" in spec.blend.members else None
        self._mean: Any = None
        self._reference = np.asarray(spec.reference, dtype=np.float32)
        self._low = np.asarray(spec.feature_low, dtype=np.float32)
        self._high = np.asarray(spec.feature_high, dtype=np.float32)
        self._groups = [
            (group, columns)
            for group in GROUPS
            if (columns := [i for i, name in enumerate(spec.feature_names) if feature_group(name) == group])
            or (group == "level" and "level" in spec.blend.members)
            or (spec.effects is not None and group in spec.effects.reasons)
        ]

    @property
    def horizon(self) -> int:
        """Most periods ahead that it was trained for."""
        return self.spec.horizon

    @property
    def unit(self) -> str:
        """Unit of the forecasts: "units" or a currency."""
        return self.spec.unit

    def alone(self, member: Member) -> "Predictor":
        """The same predictor with all weight on one member: what it says without the others."""
        blend = self.spec.blend.only(member)
        return Predictor(self.spec.model_copy(update={"blend": blend}), self._graphs)

    def predict(self, request: ForecastInput, *, jittered: bool = False) -> Reply:
        """Forecast mean and quantiles; closed periods (`open` = 0, known ahead) are 0. InputError says what is wrong.

        jittered: leave the quantiles of counts unclipped, as those of the value spread over +-1/2; only then can their
        coverage be judged exactly (a low quantile of mostly-zero sales lies between -1/2 and 0).
        """
        steps = checked_steps(request, self.spec)
        n_series = request.origin.shape[0]
        scaled = np.empty((n_series, steps, 4), dtype=np.float64)
        confidence = np.empty(n_series)
        width = self._width(request, steps)
        size = max(1, _CHUNK_ROWS // width)
        for start in range(0, n_series, size):
            part = slice(start, min(start + size, n_series))
            matrix = self._assemble(request, part, width)
            output = self._blended(matrix, request, part, width) * matrix.scale[:, None]
            scaled[part] = output.reshape(-1, width, 4)[:, :steps]
            confidence[part] = self._confidence(matrix.X).reshape(-1, width)[:, :steps].mean(axis=1)
        mean = scaled[:, :, 0]
        quantiles = self.spec.calibration.applied(np.moveaxis(scaled[:, :, 1:], 2, 0), np.arange(1, steps + 1))
        confidence = np.where(level_known(request.state), confidence, 0.0)
        if self.spec.non_negative:
            mean = np.maximum(mean, 0.0)
            quantiles = quantiles if jittered else np.maximum(quantiles, 0.0)
        outputs = np.concatenate([mean[None], quantiles])
        outputs = outputs * self._open(request, steps)
        mean, low, median, high = outputs
        return Reply(mean, low, median, high, confidence, self.spec.unit)

    def sums(self, reply: Reply, keys: Mapping[str, npt.NDArray[np.object_]]) -> dict[str, Sums]:
        """Forecasts of the sums of a reply by level, for keys {"store_id": (N,), ...} of its series (see `hierarchy`).

        Means are exact sums. InputError where keys have another length, or where this artifact knows no spread of a
        level, for it was trained before there were any or on a table without that key.
        """
        n_series = reply.mean.shape[0]
        if wrong := {name: len(values) for name, values in keys.items() if len(values) != n_series}:
            raise InputError(f"keys have lengths {wrong} for {n_series} series: give one of each to every series")
        spec, levels = self.spec, Levels.of(keys, n_series)
        if unknown := sorted(set(levels.names) - set(spec.spreads)):
            raise InputError(
                f"levels {unknown}: this artifact knows those of {sorted(spec.spreads)}: leave out their keys, or train "
                "it anew on series that have them"
            )
        members = Members(reply.mean, reply.q10, reply.q50, reply.q90, spec.counts)
        lowest = spec.non_negative and bool((reply.q10 >= 0).all())  # quantiles of jittered counts are not clipped
        return {
            level.name: aggregate(members, level, spec.spreads[level.name], non_negative=lowest) for level in levels
        }

    def reasons(self, request: ForecastInput, *, steps: Sequence[int] | None = None) -> Reasons:
        """Exact Shapley values of the feature groups against a period of training-median features.

        steps (from 1): which periods to explain; default at most 14, evenly spread, the first and last among them. Of a
        blend they are those of its members, weighted as the members are. Mind the cost: 2^groups rows per explained
        period, and as many sequences per series where a network is part of the blend.
        """
        horizon = checked_steps(request, self.spec)
        if steps is None:
            steps = np.unique(np.linspace(1, horizon, min(horizon, REASON_STEPS)).round()).astype(int).tolist()
        if not steps or min(steps) < 1 or max(steps) > horizon:
            raise InputError(
                f"steps {list(steps)[:5]}: expected periods from 1 to {horizon}: ask for fewer or lengthen known_future"
            )
        chosen = np.asarray(steps, dtype=np.int64)
        n_series = request.origin.shape[0]
        width = self._width(request, horizon)
        everything = slice(0, n_series)
        matrix = self._assemble(request, everything, width)
        index = (np.arange(n_series)[:, None] * width + chosen - 1).ravel()
        parts = self._parts(request, width)
        typical = matrix.scale * np.exp(-parts.sum(axis=1))
        base, values = self._explained(replace(matrix, scale=typical), parts, request, chosen, index, width)
        scale = typical[index][:, None] * self._open(request, horizon)[:, chosen - 1].reshape(-1, 1)
        shape = (n_series, chosen.size)
        return Reasons(
            steps=chosen,
            groups=tuple(group for group, _ in self._groups),
            base=(base[:, None] * scale).reshape(shape),
            values=(values * scale).reshape(*shape, len(self._groups)),
        )

    def _width(self, request: ForecastInput, steps: int) -> int:
        """Steps that are computed: a network reads the whole horizon, whatever part of it is asked for."""
        if self._network is None:
            return steps
        known = [values.shape[1] for values in request.known_future.values()]
        return min([self.spec.horizon, *(int(width) for width in known)])

    def _blended(self, matrix: FeatureMatrix, request: ForecastInput, part: slice, width: int) -> Float:
        """Mean and quantiles (M, 4) of the rows of `matrix`, in units of their scale."""
        blend = self.spec.blend
        trees = self._forecast.run(["Y"], {"X": matrix.X})[0]
        if blend.members == ("trees",):
            return np.asarray(trees, dtype=np.float64)
        outputs: dict[Member, Float] = {"trees": trees}
        if self._network is not None:
            state = {name: values[part] for name, values in request.state.items()}
            grid = self.spec.sequences(matrix.X, width, state)
            outputs["network"] = self._network.run(None, {"X": grid})[0].reshape(-1, 4)
        segment, step = self._placed(request, part, width)
        return blend.combine({**outputs, **self._plain(matrix, request, part, width)}, segment, step)

    def _plain(self, matrix: FeatureMatrix, request: ForecastInput, part: slice, width: int) -> dict[Member, Float]:
        """What the members say that are no model, (M,) each, in units of the scale."""
        said: dict[Member, Float] = {"season": np.ones(matrix.scale.size)}
        if "level" in self.spec.blend.members:
            said["level"] = np.repeat(np.asarray(request.state[LEVEL][part], dtype=np.float64), width) / matrix.scale
        return said

    def _placed(self, request: ForecastInput, part: slice, width: int) -> tuple[Any, Any]:
        """Segment and step (M,) of the rows of `part`."""
        state = {name: values[part] for name, values in request.state.items()}
        n_pairs = request.origin[part].shape[0]
        return np.repeat(segment_of(state, n_pairs), width), np.tile(np.arange(1, width + 1), n_pairs)

    def _explained(
        self,
        matrix: FeatureMatrix,
        parts: Float,
        request: ForecastInput,
        chosen: npt.NDArray[np.int64],
        index: Any,
        width: int,
    ) -> tuple[Float, Float]:
        """base (R,) and values (R, G) of the rows at `index` (R,) of `matrix`, in units of their scale on a typical day.

        parts (M, G): logarithms of the effects.
        """
        if self._mean is None:
            self._mean = _session(self._graphs[MEAN], threads=2)
        groups = [columns for _, columns in self._groups]
        trees = explain_rows(
            lambda rows: np.asarray(self._mean.run(["Y"], {"X": rows})[0][:, 0]),
            matrix.X[index],
            parts[index],
            self._reference,
            groups,
        )
        members = self.spec.blend.members
        if members == ("trees",):
            return trees.base, trees.values
        everything = slice(0, request.origin.shape[0])
        segment, step = self._placed(request, everything, width)
        weights = dict(zip(members, self.spec.blend.of(segment[index], step[index]).T, strict=True))
        base, values = weights["trees"] * trees.base, weights["trees"][:, None] * trees.values
        if "network" in weights:
            own_base, own_values = self._network_explained(matrix, parts, request, chosen, width)
            base, values = base + weights["network"] * own_base, values + weights["network"][:, None] * own_values
        if "season" in weights:
            season = explain_effects(parts[index])
            base, values = base + weights["season"] * season.base, values + weights["season"][:, None] * season.values
        if "level" in weights:
            # The season is the reference, so that the level explains what it adds to it.
            said = self._plain(matrix, request, everything, width)["level"][index]
            said = np.where(np.isnan(said), trees.prediction, said)
            at = [group for group, _ in self._groups].index("level")
            base = base + weights["level"]
            values[:, at] += weights["level"] * (said - 1.0)
        return base, values

    def _network_explained(
        self, matrix: FeatureMatrix, parts: Float, request: ForecastInput, chosen: npt.NDArray[np.int64], width: int
    ) -> tuple[Float, Float]:
        """As `_explained`, of the network alone."""
        grid = self.spec.sequences(matrix.X, width, request.state)

        def predict(rows: npt.NDArray[np.float32]) -> Float:
            assert self._network is not None
            return np.asarray(self._network.run(None, {"X": rows})[0][:, :, 0])

        own = parts.reshape(-1, width, parts.shape[1])
        return explain_sequences(predict, grid, own, self._reference, [columns for _, columns in self._groups], chosen)

    def _parts(self, request: ForecastInput, width: int) -> Float:
        """Logarithm of what each group of effects (M, G) adds to a typical day; 0 without effects."""
        n_series = request.origin.shape[0]
        if self.spec.effects is None:
            return np.zeros((n_series * width, len(self._groups)))
        plain = self._assemble(request, slice(0, n_series), width, effects=False)
        groups = [group for group, _ in self._groups]
        return self.spec.effects.parts(targets_of(request, width, self.spec.scale_floor), plain.scale, groups)[0]

    def _assemble(self, request: ForecastInput, part: slice, steps: int, *, effects: bool = True) -> FeatureMatrix:
        spec = self.spec
        state = {name: request.state[name][part] for name in spec.state_columns}
        # All that is known within the horizon, not the wanted steps alone: the last one has a next period too.
        ahead = {name: request.known_future[name][part, : spec.horizon] for name in spec.covariates}
        refuse_infinite("state", state)
        refuse_infinite("known_future", ahead)
        return assemble(
            state,
            ahead,
            origin=request.origin[part],
            horizon=steps,
            frequency=spec.frequency,
            scale_floor=spec.scale_floor,
            feature_names=spec.feature_names,
            effects=spec.effects if effects else None,
        )

    def _confidence(self, X: npt.NDArray[np.float32]) -> Float:
        outside = (self._low > X) | (self._high < X)  # NaN compares false: unknown is not strange
        return np.asarray(1.0 - outside.mean(axis=1))

    def _open(self, request: ForecastInput, steps: int) -> Float:
        shape = (request.origin.shape[0], steps)
        if "open" not in self.spec.covariates:
            return np.ones(shape)
        return np.where(request.known_future["open"][:, :steps] == 0, 0.0, 1.0)


def _session(model: bytes, *, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
