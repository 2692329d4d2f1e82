"""Planted effects are in the demand, exactly in its expectation and recoverable from what was drawn."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sources.twin.decisions import DecidedPromotion, Decisions
from sources.twin.params import DemandParams, TwinParams
from sources.twin.source import TwinSource
from sources.twin.truth import Truth
from sources.twin.world import World

PARAMS = TwinParams.size("tiny")
QUIET = DemandParams(
    weekly_strength=0, yearly_strength=0, trend_per_year=0, drift=0, holiday_strength=0, weather_strength=0,
    heat_strength=0, cannibalisation=0, intermittent_share=0, median_units=12, dispersion=20,
)  # fmt: skip


def outcome(params: TwinParams, decisions: Decisions | None = None, seed: int = 3):
    world = World(params, seed, tables=())
    world.advance(params.start, decisions)
    return world, world.outcome


@pytest.fixture(scope="module")
def truth() -> Truth:
    return TwinSource(PARAMS, 21).truth()


def test_price_elasticity_is_exact_in_the_expectation() -> None:
    world, plain = outcome(PARAMS)
    _, dear = outcome(PARAMS, Decisions(prices=np.round(plain.price * 1.5, 2)))
    elasticity = world.catalogue.products.elasticity
    assert 0.5 < elasticity.min() < elasticity.max() < 4.5
    assert np.allclose(dear.expected / plain.expected, (dear.price / plain.price) ** -elasticity)


def test_promotion_and_cannibalisation_are_exact_in_the_expectation() -> None:
    params = PARAMS.model_copy(
        update={"promotions": PARAMS.promotions.model_copy(update={"probability": 0, "local_probability": 0})}
    )
    world, plain = outcome(params)
    decided = (
        DecidedPromotion(product=1, starts_on=params.start, ends_on=params.start, discount_fraction=0.3, store=0),
    )
    _, promoted = outcome(params, Decisions(promotions=decided))
    products = world.catalogue.products
    ratio = promoted.expected / plain.expected
    price = promoted.price[0, 1] / plain.price[0, 1]
    assert ratio[0, 1] == pytest.approx((1 + products.promotion_uplift[1]) * price ** -products.elasticity[1])
    # One promoted rival takes the share cannibalisation x (1 - 1/e) from the rest of its category in that store.
    rivals = (products.category == products.category[1]) & (np.arange(12) != 1)
    assert rivals.sum() == 2
    assert np.allclose(ratio[0, rivals], 1 - params.demand.cannibalisation * (1 - np.exp(-1)))
    assert np.allclose(ratio[0, ~rivals & (np.arange(12) != 1)], 1)
    assert np.allclose(ratio[1:], 1)


def log_linear_fit(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of log mean = x @ b by Newton's method, and their standard errors, robust to over-dispersion."""
    b = np.zeros(x.shape[1])
    b[0] = np.log(y.mean())
    for _ in range(30):
        mean = np.exp(x @ b)
        bread = np.linalg.inv(x.T @ (mean[:, None] * x))
        b += bread @ (x.T @ (y - mean))
    scores = x * (y - mean)[:, None]
    return b, np.sqrt(np.diag(bread @ (scores.T @ scores) @ bread))


def test_elasticity_and_uplift_are_recovered_from_drawn_demand() -> None:
    """In an otherwise quiet world a log-linear fit per product, on demand drawn, finds what was planted."""
    params = PARAMS.model_copy(
        update={
            "demand": QUIET,
            "days": 400,
            "assortment": PARAMS.assortment.model_copy(update={"launched_share": 0, "ended_share": 0}),
            "promotions": PARAMS.promotions.model_copy(
                update={
                    "probability": 0.8,
                    "local_probability": 0,
                    "price_revision_days": 28,
                    "price_revision_spread": 0.3,
                }
            ),
        }
    )
    world = World(params, 8, tables=("prices", "promotions"))
    made = [world.advance(params.start + timedelta(days=n)) for n in range(params.days)]
    rows = pa.concat_tables([m["prices"] for m in made]).to_pandas()
    rows = rows.merge(world.truth().expected_demand.to_pandas(), on=["store_id", "product_id", "date"])
    promotions = pa.concat_tables([m["promotions"] for m in made]).to_pandas()
    rows["kind"] = "none"
    for promotion in promotions.itertuples():
        days = rows.date.between(promotion.starts_on, promotion.ends_on) & (rows.product_id == promotion.product_id)
        rows.loc[days, "kind"] = promotion.kind
    products = world.catalogue.products
    found, planted, error = [], [], []
    for i, name in enumerate(products.ids):
        mine = rows[(rows.product_id == name) & (rows.kind != "multibuy")]
        stores = pd.get_dummies(mine.store_id).to_numpy(float)[:, 1:]
        price = np.log(mine.price / products.list_price[i])
        x = np.column_stack([np.ones(len(mine)), stores, price, mine.kind == "price_cut"]).astype(float)
        coefficients, errors = log_linear_fit(x, mine.demanded_units.to_numpy(float))
        found.append(coefficients[-2:])
        planted.append((-products.elasticity[i], np.log1p(products.promotion_uplift[i])))
        error.append(errors[-2:])
    found, planted, error = (np.array(a) for a in (found, planted, error))
    assert (np.abs(found - planted) < 4 * error).all()
    assert (error < [0.35, 0.12]).all()  # tight enough for the line above to mean something
    pooled = ((found - planted) / error**2).sum(axis=0) / (planted / error**2).sum(axis=0)
    assert (np.abs(pooled) < [0.05, 0.15]).all()


def test_drawn_demand_is_overdispersed_as_planted(truth: Truth) -> None:
    rows = truth.expected_demand.to_pandas().merge(truth.effects["product"].to_pandas(), on="product_id")
    squared = (rows.demanded_units - rows.expected_units) ** 2
    planted = rows.expected_units + rows.expected_units**2 / rows.dispersion
    assert rows.demanded_units.sum() == pytest.approx(rows.expected_units.sum(), rel=0.03)
    assert squared.sum() > 1.2 * rows.expected_units.sum()
    assert squared.sum() == pytest.approx(planted.sum(), rel=0.10)
    standardised = squared / planted
    assert standardised.mean() == pytest.approx(1, abs=0.1)


def test_series_differ_in_level_and_some_are_intermittent() -> None:
    world = World(TwinParams.size("demo"), 1, tables=())
    for n in range(60):
        world.advance(world.params.start + timedelta(days=n))
    series = world.truth().expected_demand.to_pandas().groupby(["store_id", "product_id"]).demanded_units
    level, zero = series.mean(), series.apply(lambda d: (d == 0).mean())
    assert level.quantile(0.95) > 20 * level.quantile(0.05)
    assert 0.1 < (zero > 0.5).mean() < 0.5
    assert (zero < 0.05).mean() > 0.15


def test_a_good_forecast_beats_last_weeks_day_but_noise_remains(truth: Truth) -> None:
    rows = truth.expected_demand.to_pandas().sort_values("date")
    last_week = rows.groupby(["store_id", "product_id"]).demanded_units.shift(7)
    seen = last_week.notna()

    def error(forecast: pd.Series) -> float:
        return float(np.sqrt(((rows.demanded_units - forecast)[seen] ** 2).mean()))

    naive, oracle = error(last_week), error(rows.expected_units)
    assert oracle < 0.8 * naive
    assert oracle > 0.3 * rows.demanded_units[seen].std()


def test_week_and_season_swing() -> None:
    params = TwinParams.size("tiny").model_copy(update={"days": 365, "start": TwinParams.size("tiny").start})
    world = World(params, 5, tables=())
    for n in range(365):
        world.advance(params.start + timedelta(days=n))
    rows = world.truth().expected_demand.to_pandas()
    rows["weekday"] = pd.to_datetime(rows.date).dt.weekday
    supermarket = rows[rows.store_id == "S0001"].groupby("weekday").expected_units.mean()
    assert supermarket.idxmax() == 5
    assert supermarket[5] > 1.3 * supermarket[1]
    # The tiny world's fourth category is beverages, which sell best in summer.
    thirsty = rows[rows.product_id.isin(["P00004", "P00008", "P00012"])].groupby(pd.to_datetime(rows.date).dt.quarter)
    by_quarter = thirsty.expected_units.sum()
    assert by_quarter[3] > by_quarter[1]


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
def test_heat_and_weather_move_demand_by_their_strength(strength: float) -> None:
    demand = DemandParams(heat_strength=strength, weather_strength=strength)
    _, moved = outcome(PARAMS.model_copy(update={"demand": demand}))
    _, still = outcome(PARAMS.model_copy(update={"demand": DemandParams(heat_strength=0, weather_strength=0)}))
    _, once = outcome(PARAMS.model_copy(update={"demand": DemandParams()}))
    effect, unit = np.log(moved.expected / still.expected), np.log(once.expected / still.expected)
    assert np.allclose(effect, strength * unit)
    assert np.abs(unit).max() > 0.02


def test_launches_start_low_and_ends_fade() -> None:
    params = TwinParams.size("tiny").model_copy(update={"products": 80, "demand": QUIET})
    world = World(params, 2, tables=())
    products = world.catalogue.products
    start = int(np.datetime64(params.start, "D").astype(int))
    launched = np.flatnonzero(products.launched > start)
    assert launched.size
    p = launched[0]
    first_day = int(products.launched[p]) - start
    means = []
    for n in range(first_day + 30):
        world.advance(params.start + timedelta(days=n))
        means.append(world.outcome.expected[0, p] * world.outcome.active[0, p])
    assert not any(means[:first_day])
    assert means[first_day] == pytest.approx(0.3 / (1 - 0.7 * np.exp(-14 / 14)) * means[first_day + 14], rel=0.6)
    assert means[first_day] < means[first_day + 14]
