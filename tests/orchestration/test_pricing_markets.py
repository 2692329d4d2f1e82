"""Markets told in a file: judged at the gate by values worked by hand, and carried from the file to the service's answer."""

import asyncio
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_data import goods_table
from models.pricing.instances import check_instances
from models.pricing.market import build_market
from models.pricing.predict import Predictor
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width
from orchestration import pricing_markets
from orchestration.challengers import current_challenger, register_challenger
from orchestration.judging import judge_and_promote, judge_version
from orchestration.pricing import train_challenger
from orchestration.pricing_markets import judge_markets
from orchestration.promotion import PricingBudgets, judge_challenger
from orchestration.releases import build_edge_bundle, promote_and_publish
from orchestration.settings import Settings
from orchestration.workspace import Workspace

pytestmark = [pytest.mark.timeout(900)]

PRICES = (6.0, 10.0, 14.0)
SEAT: dict[str, Any] = {
    "name": "seat", "kind": "capacity", "periods": 1, "list_price": 14, "prices": list(PRICES), "capacity": 1,
    "segments": [{"name": "all", "arrivals": [1.0], "willingness": 10, "spread": 2}],
}  # fmt: skip
LARGE = {**SEAT, "name": "hall", "capacity": 400, "periods": 400}
KNOBS = {
    "fresh_steps": 60, "fresh_peer_steps": 10, "hidden": 16, "fresh_shelves": 40, "fresh_days": 3,
    "steps": 600, "shelves": 32, "batch": 32, "buffer": 2_000, "peer_steps": 0, "tuning_episodes": 100,
}  # fmt: skip
QUICK = Config(tuning_episodes=200, judged_episodes=2_000)


def worth(price: float) -> float:
    """One seat, one period: Poisson demand of mean 1 / (1 + exp((price - 10) / 2)), sold where anybody asks."""
    return price * (1 - np.exp(-1 / (1 + np.exp((price - 10) / 2))))


class Always:
    """A network that wants one price for ever."""

    def __init__(self, instance: Any, price: float) -> None:
        market = build_market(instance)
        self.width, self.prices = width(market), len(market.prices)
        self._row = (market.prices == price).astype(np.float32)

    def values(self, states: np.ndarray, /) -> np.ndarray:
        return np.tile(self._row, (len(states), 1))


def asking(price: float, *told: dict[str, Any]) -> Predictor:
    instances = check_instances({"instances": list(told)})
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        variables=NAMES,
        markets=tuple(MarketSpec(instance=each) for each in instances),
    )
    return Predictor(spec, {each.name: Always(each, price) for each in instances})


def test_a_market_must_bring_what_the_best_simple_rule_brings() -> None:
    best = max(PRICES, key=worth)
    for price in PRICES:
        found = judge_markets(asking(price, SEAT), None, QUICK, PricingBudgets(), seed=1)
        (row,) = found.criteria
        assert row.name.startswith("seat: value over the best simple rule's (")
        assert row.value == pytest.approx(worth(price) - worth(best), abs=1e-9)
        assert row.passed is (price == best) and not found.changes
    loose = PricingBudgets(market_shortfall_max=0.5)
    (row,) = judge_markets(asking(6.0, SEAT), None, QUICK, loose, seed=1).criteria
    assert row.passed and worth(6.0) > 0.5 * worth(best) and row.bound == f">= {-0.5 * worth(best):g}"


def test_the_champion_stands_beside_where_it_has_the_very_same_market() -> None:
    dear = {**SEAT, "segments": [{**SEAT["segments"][0], "willingness": 12}]}
    own, budgets = asking(6.0, SEAT, {**SEAT, "name": "row"}), PricingBudgets()
    found = judge_markets(own, asking(10.0, SEAT, {**SEAT, "name": "box"}), QUICK, budgets, seed=1)
    beside = {row.name: row for row in found.criteria if "champion" in row.name}
    assert list(beside) == ["seat: value over the champion's"]
    row = beside["seat: value over the champion's"]
    assert row.value == pytest.approx(worth(6.0) - worth(10.0), abs=1e-9) and not row.passed
    assert found.changes == ("row: new", "box: told no more, so dropped with the champion")
    (same,) = (r for r in judge_markets(own, own, QUICK, budgets, seed=1).criteria if r.name == row.name)
    assert same.value == 0.0 and same.passed
    other = judge_markets(asking(6.0, SEAT), asking(6.0, dear), QUICK, budgets, seed=1)
    assert other.changes == ("seat: told otherwise than to the champion",) and len(other.criteria) == 1


def test_a_market_too_large_to_solve_is_judged_on_the_same_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.pricing.exact.MOST_CELLS", 1_000)
    best = max(PRICES, key=lambda price: price / (1 + np.exp((price - 10) / 2)))  # there are seats for all who come
    for price in PRICES:
        found = judge_markets(asking(price, LARGE), asking(best, LARGE), QUICK, PricingBudgets(), seed=1)
        rule, champion = found.criteria
        assert "lower 95 % bound" in rule.name and "2,000 episodes" in rule.note
        assert champion.passed is (price == best) and (champion.value == 0.0) is (price == best)
        # Of 400 periods with a mean of 1 / (1 + exp(..)) units each; within some standard errors.
        apart = 400 * (price / (1 + np.exp((price - 10) / 2)) - best / (1 + np.exp((best - 10) / 2)))
        assert champion.value == pytest.approx(apart, abs=40.0)


def test_markets_that_come_or_go_excuse_fresh_goods_from_being_better_not_from_being_worse() -> None:
    def verdict(given_up: float, slack: float | None) -> bool:
        noise = np.random.default_rng(1).normal(0, 0.001, 200)
        return judge_challenger(
            model="pricing", challenger="a", champion="b", window=None, trained_until={},
            loss={"challenger": given_up - 1 + noise, "baseline": np.zeros(200), "champion": noise - 1},
            measured={"latency_p99_ms": 1.0, "size_mb": 1.0, "waste_ratio": 1.0}, budgets=PricingBudgets(), seed=1,
            slack=slack,
        ).promoted  # fmt: skip

    assert [verdict(0.0, slack) for slack in (None, 0.01)] == [False, True]
    assert [verdict(0.02, slack) for slack in (None, 0.01)] == [False, False]
    assert [verdict(-0.02, slack) for slack in (None, 0.01)] == [True, True]


@pytest.fixture
def workspace(make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A workspace whose lake holds three fresh goods, told of one market beside."""
    home, file = tmp_path / "home", tmp_path / "markets.yaml"
    file.write_text(yaml.safe_dump({"instances": [SEAT]}), encoding="utf-8")
    home.mkdir()
    (home / "params.yaml").write_text(yaml.safe_dump({"pricing": KNOBS}), encoding="utf-8")
    made = Workspace(make_settings(home=home, params=home / "params.yaml", pricing_instances=file))
    count = 3
    goods = Goods(
        level=np.array([3.0, 1.0, 5.0]), week=np.ones((count, 7)), level_error=np.full(count, 0.1),
        elasticity=np.full(count, 3.0), elasticity_error=np.full(count, 0.1), dispersion=np.full(count, 8.0),
        cost=np.full(count, 0.6), disposal=np.zeros(count), ceiling=np.array([1.0, 1.0, 100.0]), life=np.array([1, 8, 4]),
        lead=np.array([1, 2, 1]), every=np.array([1, 3, 1]), up_to=np.array([5, 6, 9]),
    )  # fmt: skip
    table = goods_table(["bread", "milk", "peaches"], goods, "2024-06-30")
    made.lake.write("features", "fresh_goods", table, fingerprint="by hand", sort_by=("good",))
    return made


def silent(_: str) -> None:
    """Nobody listens."""


def test_a_market_goes_from_the_file_to_the_answer_of_the_service(workspace: Workspace) -> None:
    from serving.metrics import ServiceMetrics
    from serving.pricing_answering import Answerer
    from serving.pricing_champion import open_champion
    from serving.pricing_clips import ClipLog
    from serving.pricing_schemas import QuoteRequest, WhatIfRequest
    from serving.release import read_pointer
    from serving.settings import ServeSettings

    file = workspace.settings.pricing_instances
    assert file is not None
    made = train_challenger(workspace, on_progress=silent)
    assert made["unchanged"] is False and "gross margin (DQN)" in made and "paths_seat" in made
    assert train_challenger(workspace, on_progress=silent)["unchanged"] is True
    report = current_challenger(workspace, "pricing").report()
    best = max(PRICES, key=worth)
    assert report.value("dynamic program", "value", "seat") == pytest.approx(worth(best))
    assert {"EMSR-b", "list price", "fixed fare", "bid price"} <= set(report.models("seat"))

    version = register_challenger(workspace, "pricing")["version"]
    done = judge_and_promote(workspace, "pricing")
    page = Path(done["evidence"]).read_text(encoding="utf-8")
    assert "seat: value over the best simple rule" in page and 'alt="paths_seat"' in page
    assert "<summary>seat</summary>" in page and "Markets told in a file" in page
    assert not any(
        name.startswith("seat") for name in done["failed"]
    )  # six hundred steps find the best of three prices
    promote_and_publish(workspace, "pricing", version, who="test", reason="to be asked", override=True)

    pointer = read_pointer(workspace.releases / "pricing" / "champion.json")
    settings = ServeSettings(deadline_ms=5_000)
    champion = open_champion(workspace.releases / "pricing" / pointer.release, pointer, settings)
    assert champion.ladders["seat"].steps == (14.0,) and champion.fresh is not None
    answerer = Answerer(lambda: champion, None, ClipLog(None), settings, ServiceMetrics("pricing"))
    item = {"item_id": "A1", "period": 0, "stock": [1], "before": 14.0}
    asked = QuoteRequest.model_validate({"market": "seat", "items": [item]})
    quoted = json.loads(asyncio.run(answerer.quote(asked)))
    assert quoted["served_by"] == f"champion {champion.artifact_id}" and quoted["prices"][0]["price"] == best
    curve = json.loads(asyncio.run(answerer.what_if(WhatIfRequest.model_validate({"market": "seat", "item": item}))))
    assert [each["price"] for each in curve["points"]] == list(PRICES)
    answerer.close()
    with tarfile.open(build_edge_bundle(workspace, "pricing")["bundle"]) as packed:
        assert any(name.endswith("seat.onnx") for name in packed.getnames())

    # Told otherwise: another challenger; told no more: dropped, and the verdict says so.
    first = current_challenger(workspace, "pricing").folder
    file.write_text(yaml.safe_dump({"instances": [{**SEAT, "name": "row"}]}), encoding="utf-8")
    assert train_challenger(workspace, on_progress=silent)["unchanged"] is False
    assert current_challenger(workspace, "pricing").folder != first
    second = register_challenger(workspace, "pricing")["version"]
    verdict = judge_version(workspace, workspace.registry.version("pricing", second))
    assert verdict.judged.startswith("Markets row: new. Markets seat: told no more, so dropped with the champion. ")
    (beside,) = (row for row in verdict.criteria if "difference to the champion" in row.name)
    assert beside.passed and beside.value == 0.0  # the same fresh goods, learned again, are the very same


def test_a_worse_market_fails_the_gate(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pricing_markets.judge_markets
    monkeypatch.setattr(
        "orchestration.pricing_tenant.judge_markets",
        lambda _, *others, **more: real(asking(14.0, SEAT), *others, **more),
    )
    train_challenger(workspace, on_progress=silent)
    register_challenger(workspace, "pricing")
    done = judge_and_promote(workspace, "pricing")
    assert done["promoted"] is False
    assert [name for name in done["failed"] if name.startswith("seat: value over the best simple rule's")]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"instances": [{**SEAT, "capacity": 0}]}, r"markets\.yaml: instances\.0\.capacity\.capacity: .* found 0"),
        ({"instances": [{**SEAT, "name": "fresh"}]}, r"markets\.yaml: a market is called 'fresh'.*rename it"),
        ({"instances": []}, r"markets\.yaml: instances: .*at least 1"),
        (None, r"markets\.yaml is no file"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_before_anything_is_trained(
    workspace: Workspace, told: Any, said: str
) -> None:
    file = workspace.settings.pricing_instances
    assert file is not None
    file.unlink()
    if told is not None:
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        train_challenger(workspace, on_progress=silent)
