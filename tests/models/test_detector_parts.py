"""Finder and embedder of the room: fitted to a dataset, from scratch or from files, and what the report says of where they began."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.common.protocols import DataError
from models.detector.boxes import GREY
from models.detector.config import Config
from models.detector.data import TRAIN, Dataset, prepare
from models.detector.finder_weights import read_finder
from models.detector.parts import BASE, _Pictures, make_embedder, make_finder, training_crops

QUICK = {
    "finder": {"crop": 96, "epochs": 1, "squares": 8, "batch": 4, "precision": "float32"},
    "embedder": {
        "blocks": (1, 1, 1, 1), "width": 16, "stages": [{"side": 32, "steps": 2}], "batch": 8, "half": False,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["detector"]


@pytest.fixture(scope="module")
def data(case: ModuleType) -> Dataset:
    return prepare(case.made(), Config(**case.CONFIG))


def config(case: ModuleType, **changed: Any) -> Config:
    return Config(**{**case.CONFIG, "finder_start": None, "embedder_start": None, **QUICK, **changed})


def plain(weights: Any, side: int, *, threads: int) -> bytes:
    """All weights, one after another."""
    del side, threads
    return b"".join(weights.arrays[name].tobytes() for name in sorted(weights.arrays))


@pytest.fixture
def no_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place for base checkpoints that holds none yet; weights themselves in the place of graphs, which take long to write."""
    monkeypatch.setattr("models.detector.parts.BASE", tmp_path)
    for module, name in (("embedder_weights", "embedder_onnx"), ("finder", "finder_onnx")):
        monkeypatch.setattr(f"models.detector.{module}.{name}", plain)
    return tmp_path


def test_without_weights_the_embedder_is_fitted_from_scratch_and_with_a_base_that_is_where_it_begins(
    data: Dataset, case: ModuleType, no_base: Path
) -> None:
    from models.detector.embedder_train import new_embedder
    from models.detector.embedder_weights import EmbedderWeights

    cfg = config(case, tune="none")
    scratch = make_embedder(data, cfg, seed=1)
    assert (scratch.begun_from, scratch.width) == ("scratch, fitted to these pictures", 16)
    base = EmbedderWeights.of(new_embedder(cfg.embedder).state_dict(), cfg.embedder).to_int8()
    (no_base / "embedder.safetensors").write_bytes(base)
    kept, tuned = (make_embedder(data, config(case, tune=tune), seed=1) for tune in ("finder", "both"))
    assert kept.begun_from.startswith("our base checkpoint (SHA-256") and kept.begun_from.endswith("as it is")
    assert tuned.begun_from.endswith("fitted to these pictures") and len({kept.graph, tuned.graph, scratch.graph}) == 3
    other = no_base / "mine" / "theirs.safetensors"
    other.parent.mkdir()
    other.write_bytes(base)
    long = no_base / "mine" / f"{'n' * 200}.safetensors"
    long.write_bytes(base)
    assert len(make_embedder(data, config(case, embedder_start=long), seed=1).begun_from) < 250
    told = make_embedder(data, config(case, embedder_start=other), seed=1)
    assert told.begun_from.startswith("the user's file theirs.safetensors") and told.graph == kept.graph


def test_the_finder_is_fitted_to_the_training_pictures_or_taken_as_it_is(
    data: Dataset, case: ModuleType, no_base: Path
) -> None:
    from models.detector.finder import fit_finder
    from models.detector.finder_config import FinderConfig

    scratch = make_finder(data, config(case), seed=1)
    assert scratch.begun_from == "scratch, fitted to these pictures"
    picture, boxes = data.pixels(10), data.labelled[10].boxes
    base = fit_finder([picture] * 4, [boxes] * 4, FinderConfig(**QUICK["finder"]), seed=2)
    (no_base / "finder.safetensors").write_bytes(base.to_half())
    kept = make_finder(data, config(case, tune="embedder"), seed=1)
    assert kept.begun_from.startswith("our base checkpoint") and kept.begun_from.endswith("as it is")
    assert kept.graph != scratch.graph


@pytest.mark.parametrize("better", ["before", "fitted"])
def test_weights_that_find_stay_unless_the_fitted_ones_find_better(
    data: Dataset, case: ModuleType, no_base: Path, monkeypatch: pytest.MonkeyPatch, better: str
) -> None:
    """One of the two is a graph that finds what is bright, the other finds nothing."""
    from models.detector.finder import fit_finder
    from models.detector.finder_config import FinderConfig

    picture, boxes = data.pixels(10), data.labelled[10].boxes
    base = fit_finder([picture] * 4, [boxes] * 4, FinderConfig(**QUICK["finder"]), seed=2)
    (no_base / "finder.safetensors").write_bytes(base.to_half())
    sees, blind = case.finder_graph(), case.finder_graph(seen=0.0)
    first = read_finder(no_base / "finder.safetensors")

    def written(weights: Any, side: int, *, threads: int) -> bytes:
        before = all(np.array_equal(array, first.arrays[name]) for name, array in weights.arrays.items())
        return sees if before == (better == "before") else blind

    monkeypatch.setattr("models.detector.finder.finder_onnx", written)
    part = make_finder(data, config(case, tune="finder"), seed=1)
    assert part.graph == sees
    fitted, before = ("0.000", "1.000") if better == "before" else ("1.000", "0.000")
    assert f"mAP50-95 {fitted} when fitted, {before} before" in part.begun_from
    assert ("as it is" in part.begun_from) == (better == "before") and len(part.begun_from) < 300


def test_a_start_that_is_not_there_is_named(data: Dataset, case: ModuleType, tmp_path: Path) -> None:
    for make, name in ((make_finder, "finder"), (make_embedder, "embedder")):
        with pytest.raises(DataError, match=f"{name}_start: .*absent.pt is no file"):
            make(data, config(case, **{f"{name}_start": tmp_path / "absent.pt"}), seed=1)
        (tmp_path / "text.pt").write_text("no weights")
        with pytest.raises(ValueError, match=r"text\.pt"):
            make(data, config(case, **{f"{name}_start": tmp_path / "text.pt"}), seed=1)


def test_crowds_are_painted_out_and_no_embedder_learns_from_them(data: Dataset, case: ModuleType) -> None:
    rows = data.scenes(TRAIN)
    (left, top, right, bottom), crowd = data.labelled[4].boxes[0].astype(int), data.labelled[4].crowd
    assert crowd[0] and rows[0] == 4
    seen = _Pictures(data, rows)[0]
    assert (seen[top:bottom, left:right] == GREY).all()
    rest = np.ones(seen.shape[:2], bool)
    rest[top:bottom, left:right] = False
    np.testing.assert_array_equal(seen[rest], data.pixels(4)[rest])
    crops, products = training_crops(data, config(case, tune_crops=5))
    assert crops.shape == (24, 32, 32, 3) and np.bincount(products).tolist() == [6, 6, 6, 6], (
        "5 crops and a photo of each"
    )
    assert BASE.name == "base"
