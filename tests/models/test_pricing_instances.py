"""Files of problems: what is wrong is named with its bound; what ships is what the issue asks for."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.common.protocols import DataError
from models.pricing.data import problem_table
from models.pricing.guardrails import Rules
from models.pricing.instances import SHIPPED, check_instances, read_instances
from models.pricing.market import build_market


@pytest.fixture
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["pricing"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "green"}, "colour"),
        ({"prices": [1.0, 2.0]}, "list_price 3.0 is not among the prices"),
        ({"prices": [0.0, 3.0]}, "prices.0"),
        ({"prices": [float("nan"), 3.0]}, "prices.0"),
        ({"prices": [3.0, 1e308]}, "prices.1"),
        ({"prices": [0.01, 3.0]}, "times list price"),
        ({"profile": [0.0, 1e300]}, "profile.1"),
        ({"profile": [0.0]}, "lets nobody come"),
        ({"delivery": {"every": 2, "first": 6, "units": 4}}, "nothing to sell"),
        (
            {
                "factors": [
                    {"name": name, "levels": [{"value": value} for value in range(9)]}
                    for name in ("weather", "attention", "willingness")
                ]
            },
            "729 joint levels",
        ),
        ({"factors": [{"name": "weather", "levels": [{"value": 1}, {"value": 1}]}]}, "nobody can tell them apart"),
        ({"prices": [3.0, 3.0]}, "hold one twice"),
        ({"mean": float("nan")}, "mean"),
        ({"stock": [1, 2, 3]}, "must be at most 2 ages in 6"),
        ({"delivery": {"every": 1}}, "either units or up_to"),
        ({"kind": "lottery"}, "kind"),
        ({"factors": [{"name": "income", "levels": [{"value": 1}]}]}, "factors.0.name"),
        ({"factors": [{"name": "weather", "levels": [{"value": 1}], "start": 1}]}, "start 1 is no level"),
        ({"factors": [{"name": "weather", "levels": [{"value": 1}], "transition": [[0.5]]}]}, "chances that sum to 1"),
    ],
)
def test_a_wrong_problem_is_refused(change: dict[str, Any], said: str, tmp_path: Path, case: ModuleType) -> None:
    path = tmp_path / "problems.json"
    path.write_text(json.dumps({"instances": [{**case.SALAD, **change}]}))
    with pytest.raises(DataError, match=said) as refused:
        read_instances(path)
    assert str(path) in str(refused.value)


def test_files_that_are_none(tmp_path: Path, case: ModuleType) -> None:
    with pytest.raises(DataError, match="is no file"):
        read_instances(tmp_path / "none.json")
    for name, text in (
        ("a.json", b"{"), ("a.yaml", b"a: ["), ("latin.json", "{\"a\": \"\u00e9\"}".encode("latin-1")),
        ("deep.json", b"[" * 100_000),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(text)
        with pytest.raises(DataError, match="cannot be read"):
            read_instances(tmp_path / name)
    with pytest.raises(DataError, match="there twice"):
        check_instances({"instances": [case.SALAD, case.SALAD]})


def test_demand_beyond_what_can_be_told_is_refused(case: ModuleType) -> None:
    wild = {**case.SALAD, "mean": 1e5, "elasticity": 20}
    with pytest.raises(DataError, match="are expected in its busiest period"):
        build_market(check_instances({"instances": [wild]})[0])


def test_rules_need_a_problem(case: ModuleType) -> None:
    with pytest.raises(DataError, match="rules of 'salat': no such problem: name one of salad"):
        problem_table(check_instances({"instances": [case.SALAD]}), {"salat": Rules(essential=True)})


def test_both_kinds_ship() -> None:
    kinds = [each.kind for each in read_instances(SHIPPED)]
    assert len(kinds) >= 6 and kinds.count("perishable") >= 3 and kinds.count("capacity") >= 3


def test_mean_demand_by_hand(case: ModuleType) -> None:
    salad = build_market(check_instances({"instances": [case.SALAD]})[0])
    assert salad.prices.tolist() == [1.0, 2.0, 3.0] and salad.list_index == 2
    np.testing.assert_allclose(salad.mean[0, 0], np.outer([0.5, 1.5], [2 * 3**1.5, 2 * 1.5**1.5, 2.0]))
    np.testing.assert_allclose(salad.chain.transition, [[0.8, 0.2], [0.2, 0.8]])
    seats = build_market(check_instances({"instances": [case.SEATS]})[0])
    np.testing.assert_allclose(seats.mean[0, 0, 0], 1 / (1 + np.exp((np.array([6, 10, 14]) - 9) / 2)))
    # Elasticity at list price: p f(p) / (1 - F(p)) of a logistic willingness.
    np.testing.assert_allclose(seats.elasticity[0, 0], 10 / 2 * (1 - seats.mean[0, 0, 0, 1]))


def test_a_logit_answer_has_the_elasticity_told(case: ModuleType) -> None:
    logit = build_market(
        check_instances({"instances": [{**case.SALAD, "response": "logit", "prices": [2.97, 3.0, 3.03]}]})[0]
    )
    low, middle, high = logit.mean[0, 0, 0]
    assert np.log(high / low) / np.log(3.03 / 2.97) == pytest.approx(-1.5, rel=1e-3)
    assert middle == pytest.approx(1.0)  # half the mean, in that weather
    np.testing.assert_allclose(logit.elasticity[0], 1.5)


def test_an_ensemble_has_a_model_a_factor(case: ModuleType) -> None:
    told = check_instances({"instances": [case.SALAD]})[0]
    both = build_market(told, elasticity_factors=(0.5, 2.0))
    assert both.mean.shape == (2, 6, 2, 3)
    np.testing.assert_allclose(both.mean[1, 0, 0, 0] / both.mean[0, 0, 0, 0], 3**2.25)
    np.testing.assert_array_equal(both.nominal, build_market(told).mean[0])
    wrong = build_market(told, believed_factor=2.0)
    np.testing.assert_array_equal(wrong.nominal, both.mean[1])
    np.testing.assert_array_equal(wrong.mean[0], build_market(told).mean[0])
    assert wrong.elasticity[0, 0] == pytest.approx(3.0)
