"""Label prices of a box: the cloud's, each situation decided once, and a price within the rules when the bundle fails."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge import label_situations, label_store
from edge.bundle import BundleError
from edge.label_situations import read_situation, read_situations
from edge.label_store import LabelStore
from edge.labels import LABELS_FILE, RULES_FILE, open_prices, reprice
from edge.runtime import tester as by_itself
from edge.update import rollback, update
from models.common.keys import read_public_key
from models.common.protocols import InputError
from models.pricing.predict import load

NOW = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)


@pytest.fixture
def box(pricing: ModuleType, shop: Any, tmp_path: Path) -> Any:
    box = pricing.Box(shop, tmp_path / "box")
    box.install(1)
    return box


def test_labels_are_the_clouds_prices_and_each_clipped_one_is_told(box: Any, pricing: ModuleType) -> None:
    cloud = load(box.shop.folder / "artifact")
    asked = {name: pricing.situations_of(name, 150, seed=2) for name in cloud.names}
    report = box.price([row for rows in asked.values() for row in rows])
    served_by = f"edge:{box.shop.built[0].artifact_id[:12]}"
    assert (report.decided, report.refused, dict(report.served_by)) == (1350, [], {served_by: 1350})
    shown, heard = box.labels(), {each["event_id"]: each for each in box.told()}
    assert len(shown) == len(heard) == 1350
    clipped = 0
    for rows in asked.values():
        there = cloud.predict(pricing.columns(rows))
        assert [shown[row["label"]]["price"] for row in rows] == there.price.tolist()
        assert [heard[row["id"]]["price"] for row in rows] == there.price.tolist()
        assert [heard[row["id"]]["rule"] for row in rows] == there.rule.tolist()
        clipped += int((there.rule != "").sum())
    assert sum(report.clipped.values()) == clipped > 100
    assert all(datetime.fromisoformat(each["decided_at"]) == NOW for each in heard.values())


def test_a_situation_is_decided_once(box: Any, pricing: ModuleType) -> None:
    rows = pricing.situations_of("salad", 20, seed=3)
    assert box.price([*rows, rows[4]]).known == 1
    before = (box.home / LABELS_FILE).read_bytes()
    again = box.price(rows, now=NOW.replace(hour=20))
    assert (again.decided, again.known) == (0, 20)
    assert (box.home / LABELS_FILE).read_bytes() == before
    other = {**rows[0], "before": rows[0]["before"] + 0.1}
    assert box.price([other]).refused == [
        (rows[0]["id"], "id: given before with another content: give each situation its own")
    ]
    assert sorted(each["event_id"] for each in box.told()) == sorted(row["id"] for row in rows)
    assert box.price(rows).known == 20 and box.told() == [], "what the centre has heard stays decided"


def test_the_last_situation_of_a_label_is_what_it_shows_whatever_the_market(box: Any, pricing: ModuleType) -> None:
    salad, fish = (pricing.situations_of(name, 1, seed=4)[0] | {"label": "A1"} for name in ("salad", "fish"))
    later = pricing.situations_of("salad", 1, seed=5)[0] | {"label": "A1"}
    box.price([salad, fish, later])
    assert box.labels()["A1"]["situation"] == later["id"]
    box.price([fish | {"id": "new"}])
    assert (box.labels()["A1"]["market"], box.labels()["A1"]["situation"]) == ("fish", "new")


def test_without_a_bundle_the_last_price_then_list_price_within_the_rules(box: Any, pricing: ModuleType) -> None:
    """Salad: list 3.00, essential, largest change 0.75. The model's own price of a label is what is fallen back on."""
    known = pricing.situations_of("salad", 30, seed=6)
    box.price(known)
    priced = {label: row["price"] for label, row in box.labels().items()}
    box.damage()
    again = [row | {"id": f"{row['id']}-later", "before": priced[row["label"]]} for row in known]
    far = [row | {"id": f"{row['id']}-far", "before": 0.9} for row in known if priced[row["label"]] > 1.65]
    unseen = [known[0] | {"id": "x", "label": "X", "before": 3.0}, known[0] | {"id": "y", "label": "Y", "before": 1.5}]
    report = box.price([*again, *unseen])
    assert dict(report.served_by) == {"fallback:last_price": 30, "fallback:list_price": 2}
    assert "the rules alone are known" in report.problem and "was altered" in report.problem
    shown = box.labels()
    assert {label: shown[label]["price"] for label in priced} == priced
    assert [(shown[name]["price"], shown[name]["rule"]) for name in "XY"] == [(3.0, ""), (2.25, "largest_change")]
    assert far and box.price(far).clipped == {"largest_change": len(far)}
    assert {box.labels()[row["label"]]["price"] for row in far} == {1.65}
    box.price([row | {"id": f"{row['id']}-near", "before": priced[row["label"]]} for row in known])
    assert {name: box.labels()[name]["price"] for name in priced} == priced, (
        "a fallback's price is none to fall back on"
    )
    told = {each["event_id"]: each for each in box.told()}
    assert told["y"]["served_by"] == "fallback:list_price" and told["y"]["rule"] == "largest_change"
    assert {told[row["id"]]["wanted"] for row in far} == {priced[row["label"]] for row in far}, "the model's, not 1.65"
    update(box.home, box.shop.root / "1.bundle", box.key, self_test=by_itself(box.key))  # mended
    assert next(iter(box.price(pricing.situations_of("salad", 5, seed=7)).served_by)).startswith("edge:")


def test_another_products_last_price_is_not_fallen_back_on(box: Any, pricing: ModuleType) -> None:
    """The label moved from fish to parking: 10.00 is what parking lists."""
    fish, parking = (pricing.situations_of(name, 1, seed=8)[0] | {"label": "A1"} for name in ("fish", "parking"))
    box.price([fish])
    box.damage()
    box.price([parking | {"before": 10.0}])
    assert (box.labels()["A1"]["price"], box.labels()["A1"]["served_by"]) == (10.0, "fallback:list_price")
    box.price([parking | {"id": "still", "before": 10.0}])
    assert (box.labels()["A1"]["price"], box.labels()["A1"]["served_by"]) == (10.0, "fallback:list_price")
    box.price([fish | {"id": "back", "before": 7.0}])
    assert box.labels()["A1"]["served_by"] == "fallback:list_price", "nor the first one's, once it was away"


def test_rules_that_were_altered_are_not_kept_to(box: Any, pricing: ModuleType) -> None:
    rows = pricing.situations_of("salad", 3, seed=9)
    box.price(rows[:1])
    shown = (box.home / LABELS_FILE).read_bytes()
    box.damage()
    kept = json.loads((box.home / RULES_FILE).read_bytes())
    altered = kept | {"ladders": kept["ladders"].replace('"list_price": 3.0', '"list_price": 9.0')}
    assert altered != kept
    (box.home / RULES_FILE).write_text(json.dumps(altered))
    with pytest.raises(BundleError, match=r"no rules are kept .*is signed.*labels stay as they are"):
        box.price(rows)
    (box.home / RULES_FILE).write_text(json.dumps(kept | {"signature": "AAAA"}))
    with pytest.raises(BundleError, match="not signed by the trusted key"):
        box.price(rows)
    assert (box.home / LABELS_FILE).read_bytes() == shown


def test_a_new_box_without_a_bundle_leaves_its_labels(shop: Any, tmp_path: Path, pricing: ModuleType) -> None:
    with pytest.raises(BundleError, match=r"holds no bundle.* no rules are kept .*labels stay as they are"):
        pricing.Box(shop, tmp_path / "new").price(pricing.situations_of("salad", 1, seed=1))
    assert not (tmp_path / "new" / LABELS_FILE).exists()


def test_a_model_that_fails_is_not_asked_of_the_labels(
    box: Any, pricing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.pricing import GraphNetwork

    runtime = open_prices(box.home, box.key)
    monkeypatch.setattr(GraphNetwork, "values", lambda self, states: np.full((len(states), self.prices), np.nan))
    rows = [read_situation(row | {"before": 10.0}) for row in pricing.situations_of("resin", 4, seed=1)]
    report = reprice(box.home, runtime, rows, now=NOW)
    runtime.close()
    assert dict(report.served_by) == {"fallback:list_price": 4} and "its worth is no number" in report.problem
    assert {row["price"] for row in box.labels().values()} == {10.0}


def test_an_update_prices_the_next_labels_and_a_rollback_the_ones_after(
    pricing: ModuleType, shop: Any, tmp_path: Path
) -> None:
    box, other = pricing.Box(shop, tmp_path / "box"), pricing.Shop(tmp_path, seed=11)
    box.install(1)
    clouds = [load(each.folder / "artifact") for each in (shop, other)]
    other.private, other.public = shop.private, shop.public

    def priced(seed: int, cloud: Any, revision: int) -> list[float]:
        rows = pricing.situations_of("berries", 60, seed=12, tag=f"{seed}-")
        assert box.price(rows).decided == 60
        assert {row["revision"] for row in box.labels().values()} == {revision}
        shown = [box.labels()[row["label"]]["price"] for row in rows]
        assert shown == cloud.predict(pricing.columns(rows)).price.tolist()
        return shown

    first = priced(1, clouds[0], 1)
    assert update(box.home, other.bundle(2), box.key, self_test=by_itself(box.key)).outcome == "updated"
    assert priced(2, clouds[1], 2) != first
    assert rollback(box.home, box.key, reason="labels look odd").outcome == "rolled_back"
    assert priced(3, clouds[0], 1) == first
    box.damage()  # the current one is altered: the former, revision 2, takes over by itself
    assert priced(4, clouds[1], 2) != first


def test_when_no_more_decisions_can_wait_labels_are_priced_on(
    box: Any, pricing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (pricing.situations_of("salad", 6, seed=seed) for seed in (1, 2))
    whole = label_store.Outbox
    with monkeypatch.context() as patch:
        patch.setattr(label_store, "Outbox", lambda *given, **named: whole(*given, **named, capacity=8))
        assert box.price(first).problem == ""
        report = box.price(second)
        assert "6 events wait, no more than 8 are kept" in report.problem and report.decided == 6
    assert {row["situation"] for row in box.labels().values()} == {row["id"] for row in second}
    assert len(box.told()) == 6
    box.price([])
    assert {each["event_id"] for each in box.told()} == {row["id"] for row in second}


def test_old_decisions_are_forgotten_and_waiting_ones_never(tmp_path: Path) -> None:
    store = LabelStore(tmp_path, remembered=3)
    given = {"market": "salad", "before": 3, "price": 3, "wanted": 3, "rule": "", "reference": None, "revision": 1}
    told = [
        label_store.PriceDecision(event_id=f"s{n}", label="A", served_by="edge:a", decided_at=NOW, **given)
        for n in range(8)
    ]
    store.record([(each, "digest") for each in told])
    assert len(store.known(f"s{n}" for n in range(8))) == 8
    assert store.hand_over() == 8
    assert sorted(store.known(f"s{n}" for n in range(8))) == ["s5", "s6", "s7"]
    assert store.outbox.waiting() == 8


SOUND = {"id": "s", "label": "A", "market": "salad", "period": 0, "stock": [0, 0, 0, 6], "before": 3.0,
         "factors": {"weather": 0.5, "competitor_price": 1.0}}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"id": ""}, "id: "),
        ({"id": 7}, "id: "),
        ({"label": "\ud800"}, "label: "),
        ({"market": None}, "market: "),
        ({"stock": [1e400]}, "stock"),
        ({"before": 10**400}, "before: "),
        ({"before": float("nan")}, "before: "),
        ({"customer_id": "c1"}, "customer_id: "),
        ({"market": "milk"}, "market: milk is unknown"),
        ({"period": 10_001}, "period: "),
        ({"stock": [0, 0, 0, -1]}, "stock.3: "),
        ({"factors": {"income": 0.5}}, "factors.income"),
    ],
)
def test_a_wrong_situation_is_refused_and_the_others_priced(box: Any, changed: dict[str, Any], message: str) -> None:
    rows = [SOUND | {"id": "first", "label": "B"}, SOUND | changed, SOUND | {"id": "last", "label": "C"}]
    sound, refused = read_situations(json.dumps(rows).encode())
    runtime = open_prices(box.home, box.key)
    report = reprice(box.home, runtime, sound, now=NOW)
    assert runtime.status()["breaker"] == "closed"
    runtime.close()
    (told,) = [*refused, *report.refused]
    assert message in told[1]
    assert sorted(box.labels()) == ["B", "C"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff", b'[{"id": "s"', b"null"])
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="situations: "):
        read_situations(content)


def test_too_much_at_once_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="expected a list of at most 100000, found 100001"):
        read_situations(b"[" + b"0," * 100_000 + b"0]")
    monkeypatch.setattr(label_situations, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="11 bytes, at most 10"):
        read_situations(b"[" + b" " * 9 + b"]")


def test_a_box_of_another_bot_prices_no_labels(release: Any, tmp_path: Path) -> None:
    from edge.export import build_bundle
    from models.common.keys import read_private_key

    build_bundle(release.folder, tmp_path / "1.bundle", read_private_key(release.private), revision=1)
    key = read_public_key(release.public)
    update(tmp_path / "box", tmp_path / "1.bundle", key, self_test=by_itself(key))
    with pytest.raises(BundleError, match="runs the forecaster: labels need a bundle of pricing"):
        open_prices(tmp_path / "box", key)
