"""The detector's room on packages that stand on a dark shelf: splits, gallery, confidence, report."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.artifact import ArtifactError
from models.common.protocols import DataError
from models.detector.config import Config
from models.detector.data import TEST, TIMELESS, TRAIN, VAL, Dataset, prepare
from models.detector.evaluate import CHAMPION, FOUND_NAMED, RIGHT_NAME, evaluate
from models.detector.gallery import shop_crops
from models.detector.naming import SLACK, fit_naming
from models.detector.photos import item_of
from models.detector.predict import DetectorInput, Predictor
from models.detector.train import Trained, train


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["detector"]


@pytest.fixture(scope="module")
def cfg(case: ModuleType) -> Config:
    return Config(**case.CONFIG)


@pytest.fixture(scope="module")
def data(case: ModuleType, cfg: Config) -> Dataset:
    return prepare(case.made(), cfg)


@pytest.fixture(scope="module")
def trained(data: Dataset, cfg: Config) -> Trained:
    return train(data, cfg, seed=1)


def changed(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, pa.array(values, table[column].type))


def test_the_newest_pictures_are_judged_and_photos_of_one_product_are_the_gallerys(data: Dataset) -> None:
    """40 scenes: 26 train, 6 calibrate, 8 are judged; 4 photos before them."""
    assert data.scenes(TRAIN).tolist() == list(range(4, 30))
    assert data.scenes(VAL).tolist() == list(range(30, 36)) and data.scenes(TEST).tolist() == list(range(36, 44))
    assert data.photos().tolist() == [0, 1, 2, 3] and data.photo_of[:5].tolist() == [0, 1, 2, 3, -1]
    assert data.products == ("milk", "rice", "salt", "T1"), "a class that names its product is that product"
    assert data.taken_until.isoformat() == "2026-03-01"
    assert [int(each.crowd.sum()) for each in data.labelled[:6]] == [0, 0, 0, 0, 1, 0]


def test_what_a_split_lacks_is_taken_from_its_newest_training_scenes(case: ModuleType, cfg: Config) -> None:
    """40 scenes after 4 photos: 8 are a fifth, 6 are 15 %."""
    tables = case.made()

    def split(*told: str) -> list[int]:
        found = prepare({**tables, "images": changed(tables["images"], "split", list(told))}, cfg).split
        return [int((found == part).sum()) for part in (TRAIN, VAL, TEST)]

    assert split(*["train"] * 44) == [30, 6, 8], "one split alone says nothing"
    assert split(*["train"] * 34, *["val"] * 10) == [28, 6, 10], "a lone val is judged"
    assert split(*["train"] * 34, *["test"] * 10) == [28, 6, 10]
    assert split(*["train"] * 24, *["val"] * 10, *["test"] * 10) == [24, 10, 10]


def test_a_split_that_is_told_is_kept_and_pictures_without_time_are_split_by_their_ids(
    case: ModuleType, cfg: Config, data: Dataset
) -> None:
    tables = case.made()
    told = ["train"] * 24 + ["test"] * 10 + ["val"] * 10
    split = prepare({**tables, "images": changed(tables["images"], "split", told)}, cfg).split
    assert split.tolist() == [TRAIN] * 24 + [TEST] * 10 + [VAL] * 10
    timeless = {**tables, "images": changed(tables["images"], "taken_at", [None] * 44)}
    first = prepare(timeless, cfg)
    turned = prepare({**timeless, "images": timeless["images"].take(list(range(44))[::-1])}, cfg)
    assert first.taken_until == TIMELESS
    assert first.fingerprint == turned.fingerprint != data.fingerprint, "the order of rows says nothing"


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "message"),
    [
        ("image_labels", "x_min_px", slice(None), None, "164 boxes have no area|160 boxes have no area"),
        ("images", "split", slice(None), "dev", r"images.split: \['dev'\]"),
        ("images", "image_id", 5, "S002", "1 ids come twice"),
        ("images", "picture", 5, b"GIF89a", "images.picture: S001: 6 bytes that are no JPEG"),
        ("image_labels", "image_id", 9, "S999", "image_labels.image_id: 'S999'"),
        ("image_labels", "label", 9, "soap", "image_labels.label: 'soap'"),
        ("image_labels", "x_max_px", 9, None, "1 boxes have no area or lack an edge"),
        ("image_labels", "x_max_px", 9, 0.0, "1 boxes have no area or lack an edge"),
        ("image_labels", "label", 9, None, "image_labels.label: 1 of 164 rows are null"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    case: ModuleType, cfg: Config, table: str, column: str, row: Any, value: Any, message: str
) -> None:
    tables = case.made()
    values = tables[table][column].to_pylist()
    values[row] = [value] * len(values) if isinstance(row, slice) else value
    with pytest.raises(DataError, match=message):
        prepare({**tables, table: changed(tables[table], column, values)}, cfg)


def test_a_set_of_whole_pictures_is_told_that_boxes_are_needed(case: ModuleType, cfg: Config) -> None:
    tables = case.made()
    whole = pa.table(
        {
            name: pa.nulls(len(column), column.type) if "_px" in name else column
            for name, column in zip(tables["image_labels"].column_names, tables["image_labels"].columns, strict=True)
        }
    )
    with pytest.raises(DataError, match="164 labels of whole pictures and no box: the detector learns from boxes"):
        prepare({**tables, "image_labels": whole}, cfg)


def test_the_gallery_takes_crops_evenly_and_leaves_crowds_out(data: Dataset) -> None:
    taken = shop_crops(data, 2)
    products = np.concatenate([data.labelled[row].product[boxes] for row, boxes in taken])
    assert np.bincount(products).tolist() == [2, 2, 2, 2]
    crowd = [row for row, boxes in shop_crops(data, 1_000) if data.labelled[row].crowd[boxes].any()]
    assert not crowd and not shop_crops(data, 0)


def test_the_item_of_a_photo_is_the_largest_that_is_found_else_the_photo(trained: Trained, case: ModuleType) -> None:
    detector = trained.predictor().detector
    picture, placed = case.scene(np.random.default_rng(5), count=1)
    shown = item_of(detector, picture)
    left, top, _ = placed[0]
    assert shown.found and shown.box.tolist() == [left, top, left + case.PATCH, top + case.PATCH]
    empty = item_of(detector, np.zeros((40, 60, 3), np.uint8))
    assert not empty.found and empty.box.tolist() == [0, 0, 60, 40]


def test_names_are_right_where_colours_and_luck_fail(trained: Trained, data: Dataset) -> None:
    report = evaluate(trained.predictor(), data)
    assert report.value(CHAMPION, "mAP50") == report.value(CHAMPION, "mAP50-95") == 1.0
    assert report.value(CHAMPION, RIGHT_NAME) == report.value(CHAMPION, FOUND_NAMED) == 1.0
    assert report.value("colour histogram", RIGHT_NAME) < 0.6
    assert report.value(CHAMPION, "calibration error") < 0.02
    assert report.value(CHAMPION, "labelled items") == 32.0


def test_missed_items_wrong_boxes_and_held_back_names_cost(trained: Trained, data: Dataset) -> None:
    """A finder that sees only boxes scored beyond its reach misses all; a namer that knows nothing names nothing."""
    blind = trained.spec.model_copy(
        update={"detector": trained.spec.detector.model_copy(update={"least_score": 0.999})}
    )
    report = evaluate(Predictor(blind, trained.detector, trained.embedder, trained.vectors), data)
    assert report.value(CHAMPION, "mAP50") == report.value(CHAMPION, FOUND_NAMED) == 0.0
    shy = trained.spec.model_copy(update={"namer": trained.spec.namer.model_copy(update={"least_similarity": 1.0})})
    held = evaluate(Predictor(shy, trained.detector, trained.embedder, trained.vectors), data)
    assert held.value(CHAMPION, "unknown among matched boxes") > 0.9
    assert held.value(CHAMPION, RIGHT_NAME) < 0.1 and held.value(CHAMPION, "mAP50") == 1.0


def test_a_product_that_the_gallery_lacks_is_said(trained: Trained, data: Dataset) -> None:
    here = [number for number, product in enumerate(trained.spec.products) if product != "milk"]
    spec = trained.spec.model_copy(update={"products": tuple(trained.spec.products[number] for number in here)})
    report = evaluate(Predictor(spec, trained.detector, trained.embedder, trained.vectors[here]), data)
    milk = sum(int((data.labelled[row].product == 0).sum()) for row in data.scenes(TEST))
    assert any(note.startswith(f"{milk} labelled items are of products without a vector") for note in report.notes)
    assert report.value(CHAMPION, RIGHT_NAME) == pytest.approx(1 - milk / 32)


def test_confidence_is_fitted_by_likelihood() -> None:
    """Cosines 0.8 to the right product and 0.7 to the other in 3 of 4 crops: softmax says 3/4 at temperature 0.1 / ln 3 = 0.091."""
    cosines = np.tile([0.8, 0.7], (40, 1))
    product = np.tile([0, 0, 0, 1], 10)
    told = fit_naming(cosines, product, known_lost=0.0)
    assert told is not None and told.temperature == pytest.approx(0.1 / np.log(3), rel=0.06)
    assert told.least_similarity == pytest.approx(0.7 - SLACK) and told.look_alike == pytest.approx(0.8 - SLACK)
    assert fit_naming(cosines[:19], product[:19], known_lost=0.0) is None


def test_an_artifact_tells_no_folder_and_damaged_parts_are_refused(trained: Trained, tmp_path: Path) -> None:
    trained.save(tmp_path / "artifact")
    text = (tmp_path / "artifact" / "manifest.json").read_text()
    assert '"finder_start": "finder.onnx"' in text and str(tmp_path.parent) not in text
    for parts in (
        (b"no graph", trained.embedder, trained.vectors),
        (trained.detector, trained.embedder, trained.vectors[:-1]),
        (trained.detector, trained.embedder, trained.vectors * 2),
    ):
        with pytest.raises(ArtifactError, match="no networks that fit together"):
            Predictor(trained.spec, *parts)


def test_an_empty_picture_has_no_items(trained: Trained) -> None:
    reply = trained.predictor().predict(DetectorInput([np.zeros((100, 120, 3), np.uint8)]))
    assert reply.items == ((),)
