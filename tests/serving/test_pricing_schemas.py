"""What pricing refuses to read: nonsense, columns that do not fit, and anything of a person."""

from typing import Any

import pytest
from pricing_releases import bread, columns, fresh_columns, item, peach
from pydantic import ValidationError

from serving.pricing_fresh_schemas import QuoteFreshRequest, RepriceFreshRequest
from serving.pricing_schemas import QuoteRequest, RepriceRequest


@pytest.mark.parametrize(
    "changed",
    [
        {"stock": [-1]},
        {"stock": []},
        {"stock": [1.5]},
        {"stock": ["3"]},
        {"period": -1},
        {"period": True},
        {"before": 0},
        {"before": float("nan")},
        {"before": float("inf")},
        {"factors": {"weather": float("nan")}},
        {"factors": {"income": 1.0}},
        {"lowest": -1},
        {"customer_id": "C1"},
        {"loyalty_card": "L1"},
    ],
)
def test_nonsense_and_persons_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QuoteRequest.model_validate({"market": "salad", "items": [item(**changed)]})


def test_columns_of_other_lengths_repeated_ids_and_too_many_are_refused() -> None:
    def asked(**changed: Any) -> None:
        RepriceRequest.model_validate({"markets": [columns([item(), item(item_id="b")]) | changed]})

    asked()
    for changed, said in (
        ({"before": [3.0]}, "before has 1 entries, item_ids has 2"),
        ({"factors": {"weather": [0.5] * 3}}, "weather has 3 entries"),
        ({"item_ids": ["b", "b"]}, "each item_id may be there once"),
        ({"customer_ids": ["C1", "C2"]}, "Extra inputs"),
    ):
        with pytest.raises(ValidationError, match=said):
            asked(**changed)
    half = columns([item(item_id=f"I{number}") for number in range(5_001)])
    with pytest.raises(ValidationError, match="10002 items: at most 10000 a request"):
        RepriceRequest.model_validate({"markets": [half, half | {"market": "seats"}]})
    with pytest.raises(ValidationError, match="each market may be there once"):
        RepriceRequest.model_validate({"markets": [columns([item()]), columns([item(item_id="b")])]})


@pytest.mark.parametrize(
    "changed",
    [
        {"stock": []}, {"stock": [-1]}, {"stock": [1.5]}, {"stock": [1] * 31}, {"stock": ["3"]}, {"list_price": 0},
        {"list_price": float("inf")}, {"before": float("nan")}, {"before": 2e8}, {"weekday": 7}, {"weekday": True},
        {"weekday": 1.0}, {"coming": -1}, {"coming": None}, {"wait": 8}, {"expected": [1.0] * 13}, {"expected": [-1.0] * 14},
        {"expected": [5_001.0] * 14}, {"up_to": -1}, {"lowest": 0}, {"good": ""}, {"customer_id": "C1"}, {"elasticity": 2.0},
    ],
)  # fmt: skip
def test_nonsense_and_persons_are_refused_of_fresh_goods(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QuoteFreshRequest.model_validate({"items": [peach(**changed)]})
    columns = fresh_columns([peach()]) | {name: [value] for name, value in changed.items()}
    with pytest.raises(ValidationError):
        RepriceFreshRequest.model_validate({"goods": columns})


def test_columns_of_other_lengths_repeated_goods_and_too_many_are_refused() -> None:
    columns = fresh_columns([peach(), bread()])
    RepriceFreshRequest.model_validate({"goods": columns | {"expected": [None, [1.0] * 14], "lowest": None}})
    for changed, said in (
        ({"before": [3.0]}, "before has 1 entries, good has 2"),
        ({"coming": [1, 2, 3]}, "coming has 3 entries, good has 2"),
        ({"good": ["S1|milk", "S1|milk"]}, "each good may be there once"),
        ({name: value * 5_001 for name, value in columns.items()}, "at most 10000 items"),
    ):
        with pytest.raises(ValidationError, match=said):
            RepriceFreshRequest.model_validate({"goods": columns | changed})
    with pytest.raises(ValidationError, match="each good may be there once"):
        QuoteFreshRequest.model_validate({"items": [peach(), peach()]})


@pytest.mark.parametrize(("people", "sound"), [(20, True), (5_000, True), (19, False), (0, False), (None, False)])
def test_a_reading_of_willingness_is_of_twenty_people_or_more(people: int | None, sound: bool) -> None:
    factors = {"willingness": 1.1}
    one = {"market": "salad", "items": [item(factors=factors, willingness_people=people)]}
    columns = {"market": "salad", "item_ids": ["a", "b"], "period": [0, 0], "stock": [[1], [1]], "before": [3.0, 3.0]}
    told = {"factors": {"willingness": [None, 1.1]}, "willingness_people": [None, people]}
    store = {"markets": [{**columns, **told}]}
    if sound:
        assert QuoteRequest.model_validate(one).items[0].willingness_people == people
        assert RepriceRequest.model_validate(store).markets[0].willingness_people == [None, people]
        return
    for kind, body, row in ((QuoteRequest, one, 0), (RepriceRequest, store, 1)):
        with pytest.raises(ValidationError, match=rf"willingness_people\.{row}: .* 20 people or more"):
            kind.model_validate(body)
    QuoteRequest.model_validate({"market": "salad", "items": [item(factors={"willingness": None})]})


def test_people_may_be_told_beside_columns_without_a_reading_of_willingness() -> None:
    told = {"item_ids": ["a", "b", "c"], "period": [0] * 3, "stock": [[3, 3]] * 3, "before": [3.0] * 3}
    store = {"markets": [{"market": "salad", **told, "willingness_people": [20] * 3}]}
    assert RepriceRequest.model_validate(store).markets[0].willingness_people == [20] * 3
