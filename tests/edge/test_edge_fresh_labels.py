"""Labels of fresh goods: the cloud's prices among those of markets, and what a label falls back on where no bundle opens."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge.bundle import BundleError
from edge.labels import RULES_FILE, open_prices
from edge.runtime import EdgeRuntime
from models.pricing.ladder import NAME
from models.pricing.predict import Predictor, load

LABELLED = {"id", "label", "market"}
SOUND = {"good": "good-0", "list_price": 2.0, "stock": [3], "before": 2.0, "weekday": 4}


@pytest.fixture(scope="module")
def cloud(shop: Any) -> Predictor:
    return load(shop.folder / "artifact")


@pytest.fixture
def box(pricing: ModuleType, shop: Any, tmp_path: Path) -> Any:
    box = pricing.Box(shop, tmp_path / "box")
    box.install(1)
    return box


def test_labels_of_both_kinds_are_the_services(
    box: Any, pricing: ModuleType, wild: ModuleType, shop: Any, cloud: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, calls = EdgeRuntime.answer, []
    monkeypatch.setattr(EdgeRuntime, "answer", lambda self, asked: calls.append(asked) or answer(self, asked))
    salad, fresh = pricing.situations_of("salad", 50, seed=2), pricing.fresh_situations_of(cloud.fresh, 300, seed=2)
    plain = [
        {name: value for name, value in row.items() if name not in {"expected", "up_to"}}
        | {"id": f"{row['id']}-plain", "label": f"{row['label']}-plain"}
        for row in fresh
    ]
    served_by = f"edge:{shop.built[0].artifact_id[:12]}"
    report = box.price([*fresh[:100], *salad, *plain, *fresh[100:]])
    assert (report.decided, report.refused, set(report.served_by) - {NAME}) == (650, [], {served_by})
    assert sorted(len(each["shelves"]) for each in calls) == [50, 600], "those of a market go together"
    shown, heard = box.labels(), {each["event_id"]: each for each in box.told()}
    service = wild.Cloud(shop.folder)
    for rows in (fresh, plain):
        there = service.rows("fresh", [{name: row[name] for name in row.keys() - LABELLED} for row in rows])
        assert [shown[row["label"]]["price"] for row in rows] == [each["price"] for each in there]
        by = [NAME if each["served_by"] == NAME else served_by for each in there]
        assert [heard[row["id"]]["served_by"] for row in rows] == by
        assert [(heard[row["id"]]["market"], heard[row["id"]]["good"]) for row in rows] == [
            ("fresh", row["good"]) for row in rows
        ]
        assert [heard[row["id"]]["rule"] for row in rows] == [each["rule"] for each in there]
    assert {shown[row["label"]]["good"] for row in salad} == {None}
    assert box.price(fresh).known == 300


def test_without_a_bundle_a_label_keeps_its_goods_price_and_no_other(
    box: Any, pricing: ModuleType, cloud: Predictor
) -> None:
    number = next(n for n in range(40) if n % 3 and cloud.fresh.goods.life[n] >= 3)
    first = {"id": "1", "label": "A1", "market": "fresh", **SOUND} | {"good": f"good-{number}", "stock": [9, 9, 9]}
    box.price([first])
    priced = box.labels()["A1"]["price"]
    assert priced == cloud.predict(pricing.fresh_columns([first])).price[0] != 2.0
    box.damage()
    other = first | {"good": f"good-{number + 1}", "stock": [1]}
    for name, row, price, source in (
        ("2", first | {"before": priced}, priced, "last_price"),
        ("3", other, 2.0, "list_price"),
        ("4", other, 2.0, "list_price"),
        ("5", first, 2.0, "list_price"),  # the label was another good's in between
    ):
        report = box.price([row | {"id": name}])
        assert dict(report.served_by) == {f"fallback:{source}": 1} and "was altered" in report.problem
        assert (box.labels()["A1"]["price"], box.labels()["A1"]["good"]) == (price, row["good"])


def test_rules_of_fresh_goods_that_were_altered_are_not_kept_to(box: Any, pricing: ModuleType) -> None:
    """Cheaper goods would leave more room under the margin floor."""
    row = {"id": "1", "label": "A1", "market": "fresh", **SOUND}
    open_prices(box.home, box.key).close()
    box.damage()
    kept = json.loads((box.home / RULES_FILE).read_bytes())
    ladders = json.loads(kept["ladders"])
    ladders["fresh"]["goods"][0]["unit_cost"] /= 2
    for altered in (json.dumps(ladders), kept["ladders"][:-1], "no json"):
        (box.home / RULES_FILE).write_text(json.dumps(kept | {"ladders": altered}))
        with pytest.raises(BundleError, match=r"no rules are kept .*labels stay as they are"):
            box.price([row])
    (box.home / RULES_FILE).write_text(json.dumps(kept))
    assert dict(box.price([row]).served_by) == {"fallback:list_price": 1}
