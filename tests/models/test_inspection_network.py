"""The inspection network: it finds what sensors do not, keeps to its level, gives reasons, and is the same as a graph."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.common.artifact import ArtifactError
from models.inspection.config import Config
from models.inspection.data import Dataset, assemble, prepare
from models.inspection.evaluate import CHAMPION, evaluate
from models.inspection.explain import explain
from models.inspection.peers import SENSORS
from models.inspection.predict import InspectionInput, Predictor, load, log_odds
from models.inspection.spec import ModelSpec
from models.inspection.train import Trained, fit, to_graph, train

CFG = Config(epochs=12, width=6, batch=16, resamplings=10, miss_level=0.05, reject_level=0.05)


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["inspection"]


@pytest.fixture(scope="module")
def data(case: ModuleType) -> Dataset:
    return prepare(case.made(600, seed=3), CFG)


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, CFG, seed=0)


def test_the_graph_tells_what_torch_tells(data: Dataset) -> None:
    import torch

    cfg = CFG.model_copy(update={"epochs": 1})
    spread = np.array([0.01, 1.0, 0.3])
    network = fit(data, cfg, np.arange(64), spread, seed=5)
    rows = np.arange(70)  # more than are judged together
    fed = assemble(data.pictures[rows], data.approved[data.batch[rows]], data.off[rows], spread)
    with torch.no_grad():
        expected = network(*(torch.from_numpy(fed[name]) for name in ("picture", "approved", "readings"))).numpy()
    spec = trained_spec(data, spread)
    found = Predictor(spec, to_graph(network, 32, 1)).logits(
        data.pictures[rows], data.approved, data.batch[rows], data.off[rows]
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected).max() > 0.1


def trained_spec(data: Dataset, spread: np.ndarray) -> ModelSpec:
    return ModelSpec(
        format_version=1, kinds=data.kinds, side_px=32, furthest_px=2, spread=tuple(spread.tolist()), pass_below=None,
        reject_above=None, miss_level=0.01, reject_level=0.01,
    )  # fmt: skip


def test_defects_are_found_better_than_by_sensors_and_misses_keep_to_the_level(data: Dataset, trained: Trained) -> None:
    severity = np.where(data.kind > 0, 0.5, 0.0)
    report = evaluate(trained.predictor(), data, truth=severity)
    assert report.value(CHAMPION, "AUROC") > 0.97 > 0.85 > report.value(SENSORS, "AUROC")
    missed, error = (report.value(CHAMPION, name) for name in ("miss rate", "miss rate, standard error"))
    assert missed <= CFG.miss_level + 2 * error
    assert report.value(CHAMPION, "human share") < report.value(SENSORS, "human share")
    assert report.value(CHAMPION, "right decisions") > 0.85
    assert "miss rate" in report.metrics("severity 0.3 to 0.6")
    assert set(report.segments()) >= {"all", "spot", "underfill", "thresholds in use"}


def test_reasons_point_at_the_spot_or_the_scale(data: Dataset, trained: Trained, case: ModuleType) -> None:
    spotted, light = (np.flatnonzero(data.kind == data.kinds.index(kind))[-6:] for kind in ("spot", "underfill"))
    nominal = np.tile(case.NOMINAL, (len(data.approved), 1))

    def request(rows: np.ndarray) -> InspectionInput:
        readings = nominal[0] + data.off[rows] * (nominal[0, 0], 1.0, 1.0)
        return InspectionInput(data.pictures[rows], data.approved, data.batch[rows], readings, nominal)

    seen, felt = explain(trained.predictor(), request(spotted)), explain(trained.predictor(), request(light))
    assert seen.foremost == ["picture"] * 6 and felt.foremost == ["weight_g"] * 6
    for row, falls in zip(spotted, seen.regions, strict=True):
        away = np.abs(data.pictures[row].astype(int) - data.approved[data.batch[row]]).sum(axis=2)
        blocks = away.reshape(8, 4, 8, 4).sum(axis=(1, 3))
        assert blocks.ravel()[falls.argmax()] > 0.3 * blocks.max()
    np.testing.assert_allclose(seen.score, trained.predictor().predict(request(spotted)).score, atol=1e-4)


def test_an_artifact_for_other_kinds_is_refused(trained: Trained, tmp_path: Path) -> None:
    spec = trained.spec.model_copy(update={"kinds": (*trained.spec.kinds, "mould")})
    replace(trained, spec=spec).save(tmp_path / "other")
    with pytest.raises(ArtifactError, match=r"4 kinds, found .* and 3"):
        load(tmp_path / "other")
    assert log_odds(np.array([[0.0, 0.0, 0.0]])) == pytest.approx(np.log(2))
