"""Wrong labels that we put there ourselves are found; right ones are mostly left in peace."""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from models.common.protocols import DataError
from models.label_quality.analyse import Analysis, analyse
from models.label_quality.config import Config
from models.label_quality.data import prepare
from models.label_quality.report import issues, report


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["label_quality"]


def analysed(tables: dict[str, Any], **knobs: Any) -> Analysis:
    cfg = Config(**knobs)
    return analyse(prepare(tables, cfg), cfg, seed=1)


def test_swapped_labels_of_photos_are_found_and_doubts_forgiven(case: ModuleType) -> None:
    """A model that errs in 15 % accuses every one of those labels by the plain rule; confident learning does not."""
    tables, wrong = case.photos(1_000)
    found = analysed(tables).whole
    suspicious = {name for name, flag in zip(found.label_ids, found.suspicious, strict=True) if flag}
    plain = {name for name, flag in zip(found.label_ids, found.disagrees, strict=True) if flag}
    assert len(wrong) > 40 and len(suspicious & wrong) >= 0.8 * len(wrong)
    precision, plain_precision = (len(flagged & wrong) / len(flagged) for flagged in (suspicious, plain))
    assert precision >= 0.7 and plain_precision <= 0.45
    ranked = [found.label_ids[place] for place in np.argsort(found.quality)[: len(wrong)]]
    assert len(set(ranked) & wrong) >= 0.7 * len(wrong)  # lowest quality first is the order in which to look
    # What the model is sure of, it suggests: the label before it was shifted by one class.
    sure = [place for place, name in enumerate(found.label_ids) if name in suspicious & wrong]
    shifted = [case.CLASSES.index(found.given[place]) - 1 for place in sure]
    right = [found.suggested[place] == case.CLASSES[number] for place, number in zip(sure, shifted, strict=True)]
    assert np.mean(right) >= 0.9


def test_clean_labels_raise_little_suspicion(case: ModuleType) -> None:
    tables, _ = case.photos(1_000, wrong=0.0, doubt=0.0)
    assert analysed(tables).whole.suspicious.sum() == 0


def test_boxes_of_wrong_class_and_place_are_told_apart(case: ModuleType) -> None:
    found = analysed(case.shelves())
    suspicious = {
        found.boxed.label_ids[place]: (found.boxed.reason[place], found.boxed.suggested[place])
        for place in np.flatnonzero(found.boxed.suspicious)
    }
    assert suspicious == {"shelf00/0": ("class", "apple"), "shelf01/0": ("place", None)}
    assert "shelf04/0" not in found.boxed.label_ids  # a crowd is judged by nobody
    # The plain rule also accuses the label that an unsure model would rather call fig.
    disagrees = {found.boxed.label_ids[place] for place in np.flatnonzero(found.boxed.disagrees)}
    assert disagrees == {"shelf00/0", "shelf03/0"}
    first = (12.0, 21.0, 52.0, 61.0)
    assert [(one.image_id, one.label, one.edges) for one in found.overlooked] == [
        ("shelf02", "apple", first), ("shelf04", "apple", first),
    ]  # fmt: skip


def test_what_a_model_sees_in_a_crowd_was_not_overlooked(case: ModuleType) -> None:
    """The fig in the crowd of shelf 4, which is missing where nobody drew the crowd. Only boxes whose centre lies in the crowd are
    spared: that of the apple lies left of it."""
    tables = case.shelves()
    labels = tables["image_labels"]
    undrawn = labels.filter([name != "shelf04/0" for name in labels["label_id"].to_pylist()])

    def missing(tables: dict[str, Any]) -> list[str]:
        return sorted(one.label for one in analysed(tables).overlooked if one.image_id == "shelf04")

    assert missing(tables) == ["apple"]
    assert missing({**tables, "image_labels": undrawn}) == ["apple", "fig"]


def test_labels_of_whole_pictures_are_left_out_and_counted_where_a_model_predicts_boxes_alone(case: ModuleType) -> None:
    both, shelves = case.tables(None, None), case.shelves()  # type: ignore[arg-type]
    found = analysed({**both, "predictions": shelves["predictions"]})
    assert not found.whole.label_ids and found.unasked == 200
    assert (found.boxed.quality == analysed(shelves).boxed.quality).all()
    assert "200 labels of whole pictures were not judged: the predictions are boxes alone." in report(found).notes
    assert analysed(both).unasked == 0
    with pytest.raises(DataError, match="200 of 200 labelled pictures have none"):
        analysed({**both, "predictions": shelves["predictions"].slice(0, 0)})


def test_a_surer_threshold_accuses_fewer(case: ModuleType) -> None:
    few = analysed(case.shelves(), sure=0.98).boxed
    assert set(np.array(few.label_ids)[few.suspicious]) == {"shelf01/0"}
    many = analysed(case.shelves(), sure=0.55).boxed
    assert "shelf03/0" in set(np.array(many.label_ids)[many.suspicious])


def test_the_table_for_the_gate_is_as_its_contract_says(case: ModuleType) -> None:
    found = analysed(case.tables(None, None))  # type: ignore[arg-type]
    table = issues(found)
    assert table.schema.equals(load_contract("label_issues").arrow_schema())
    assert table.num_rows == 200 + 58  # 60 boxes, less the forgotten one and the crowd
    said = report(found)
    flagged = sum(table["is_suspicious"].to_pylist())
    assert said.value("cleanlab", "suspicious labels") == flagged
    assert said.value("cleanlab", "suspicious share") == pytest.approx(flagged / 258)
    assert said.value("cleanlab", "labels", "boxes") == 58
    assert "1 labelled fig look like apple." in report(analysed(case.shelves())).notes


def test_a_class_that_no_picture_bears_and_a_set_of_one_class(case: ModuleType) -> None:
    tables, wrong = case.photos(400)
    borne = {**tables, "label_classes": pa.table({"label": [*case.CLASSES, "kiwi"], "position": range(5)})}
    assert (analysed(borne).whole.suspicious == analysed(tables).whole.suspicious).all() and wrong
    one = pa.table({"label": ["apple"], "position": [0]})
    keep = [name == "apple" for name in tables["image_labels"]["label"].to_pylist()]
    rows = tables["image_labels"].filter(keep)
    known = set(rows["image_id"].to_pylist())
    guesses = tables["predictions"]
    mine = [
        image in known and label == "apple"
        for image, label in zip(guesses["image_id"].to_pylist(), guesses["label"].to_pylist(), strict=True)
    ]
    single = analysed({**tables, "label_classes": one, "image_labels": rows, "predictions": guesses.filter(mine)}).whole
    assert single.suspicious.sum() == 0 and len(single.label_ids) == rows.num_rows


def replaced(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    place = table.column_names.index(column)
    return table.set_column(place, column, pa.array(values, table[column].type))


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("image_labels", "label", "kiwi", r"image_labels\.label: kiwi \(1\) are not in label_classes"),
        ("image_labels", "image_id", None, r"image_labels\.image_id: 1 of"),
        ("image_labels", "image_id", "photo0001", "1 pictures have a second class"),
        (
            "image_labels",
            "image_id",
            "photo9",
            r"image_labels\.image_id: 1 pictures, such as 'photo9', are none of the 20",
        ),
        (
            "predictions",
            "image_id",
            "photo9",
            r"predictions\.image_id: 1 pictures, such as 'photo9', are none of the 20",
        ),
        ("predictions", "confidence", 1.5, "outside 0 to 1"),
        ("predictions", "confidence", None, "outside 0 to 1"),
    ],
)
def test_wrong_tables_are_refused(case: ModuleType, name: str, column: str, value: object, message: str) -> None:
    tables, _ = case.photos(20)
    with pytest.raises(DataError, match=message):
        analysed({**tables, name: replaced(tables[name], column, 0, value)})


def test_a_picture_without_predictions_and_too_many_pictures_are_refused(case: ModuleType) -> None:
    tables, _ = case.photos(20)
    with pytest.raises(DataError, match="1 of 20 labelled pictures have none"):
        analysed({**tables, "predictions": tables["predictions"].slice(4)})
    with pytest.raises(DataError, match="20 pictures, at most 19"):
        analysed(tables, max_pictures=19)
    with pytest.raises(DataError, match="predictions: 80 rows, at most 79"):
        analysed(tables, max_predictions=79)
    few = {**tables, "image_labels": tables["image_labels"].slice(0, 3)}
    with pytest.raises(DataError, match="20 pictures, at most 19"):  # those with predictions alone count too
        analysed(few, max_pictures=19)
