"""What pricing refuses to read: nonsense, columns that do not fit, and anything of a person."""

from typing import Any

import pytest
from pricing_releases import columns, item
from pydantic import ValidationError

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
