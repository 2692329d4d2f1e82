"""Elasticities from choices of one item among several: a conditional logit with loyalty, from a scanner panel.

Utility of item j for a household: a constant of the item, its price and whatever else is told of it, and how loyal the
household is to it. McFadden (1974), "Conditional logit analysis of qualitative choice behavior"; loyalty is the household's own
past choices, older ones counting less: Guadagni and Little (1983), "A logit model of brand choice calibrated on scanner data".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.common.arrow_columns import need_columns, refuse_nulls
from models.common.protocols import DataError
from models.elasticity.data import Floats, Ints

TABLE = "choice_panel"
COLUMNS = ("customer_id", "occasion", "item_id", "price", "chosen")
CARRIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)  # share of loyalty that a choice leaves; the likeliest is taken
STEPS, TOLERANCE, RIDGE = 100, 1e-10, 1e-6
DRAWS = 400
_EPS = 1e-12


@dataclass(frozen=True)
class Choices:
    """N occasions of J items, those of a household together and in order: `household` (N,), `price` (N, J), further `facts`
    (N, J, F) by name, `chosen` (N,) numbers of items; `seen` (N,) those that training knows."""

    items: tuple[str, ...]
    fact_names: tuple[str, ...]
    household: Ints
    price: Floats
    facts: Floats
    chosen: Ints
    seen: np.ndarray


@dataclass(frozen=True)
class ChoiceModel:
    """Coefficients (K,) by name and their covariance (K, K), households drawn together; `carry` of loyalty, None without."""

    names: tuple[str, ...]
    values: Floats
    covariance: Floats
    carry: float | None


@dataclass(frozen=True)
class ItemElasticity:
    """Own-price elasticity (J,) of each item's share, as a positive number, with its 95 % interval."""

    value: Floats
    low: Floats
    high: Floats


def prepare_choices(table: Any, *, facts: Sequence[str] = (), test_share: float = 0.2) -> Choices:
    """From the Arrow table `choice_panel`, a row an occasion and item: customer_id, occasion (a number that grows with time),
    item_id, price, chosen (one item an occasion), and columns `facts`. The newest `test_share` of each household's occasions are
    held out. DataError names the column, the value, the bound and the remedy."""
    need_columns(TABLE, table, (*COLUMNS, *facts))
    for column in (*COLUMNS, *facts):
        refuse_nulls(TABLE, table, column, "drop those rows")
    people, household = np.unique(table["customer_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    items, item = np.unique(table["item_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    occasion = np.asarray(table["occasion"].to_numpy(), dtype=np.int64)
    order = np.lexsort((item, occasion, household))
    household, item, occasion = household[order], item[order], occasion[order]
    if len(items) < 2 or len(order) % len(items) or (item.reshape(-1, len(items)) != np.arange(len(items))).any():
        raise DataError(f"{TABLE}: not every occasion has one row for each of {len(items)} items: complete or drop it")
    shape = (-1, len(items))
    if (occasion.reshape(shape) != occasion.reshape(shape)[:, :1]).any():
        raise DataError(f"{TABLE}: an occasion of a household has no row for some item: complete or drop it")
    price = np.asarray(table["price"].to_numpy(), dtype=np.float64)[order].reshape(shape)
    if not ((price > 0) & np.isfinite(price)).all():
        raise DataError(
            f"{TABLE}.price: {price[~((price > 0) & np.isfinite(price))][0]:g}, must be above 0: mend or drop it"
        )
    chosen = np.asarray(table["chosen"].to_numpy(zero_copy_only=False), dtype=np.int64)[order].reshape(shape)
    if (chosen.sum(axis=1) != 1).any() or chosen.min() < 0:
        raise DataError(
            f"{TABLE}.chosen: an occasion has {chosen.sum(axis=1)[chosen.sum(axis=1) != 1][:1]} items chosen, must be 1"
        )
    told = [np.asarray(table[name].to_numpy(), dtype=np.float64)[order].reshape(shape) for name in facts]
    who = household.reshape(shape)[:, 0]
    count = np.bincount(who, minlength=len(people))
    place = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    seen = place < count[who] - np.floor(test_share * count[who])
    return Choices(
        items=tuple(items.tolist()),
        fact_names=tuple(facts),
        household=who.astype(np.int64),
        price=price,
        facts=np.stack(told, axis=2) if told else np.zeros((*price.shape, 0)),
        chosen=chosen.argmax(axis=1).astype(np.int64),
        seen=seen,
    )


def loyalty(data: Choices, carry: float) -> Floats:
    """Loyalty (N, J) before each occasion: a household's past choices, each worth `carry` of the next; at first everybody's
    shares in what training knows."""
    shares = np.bincount(data.chosen[data.seen], minlength=len(data.items)) / max(int(data.seen.sum()), 1)
    found = np.empty(data.price.shape)
    taken = np.eye(len(data.items))[data.chosen]
    starts = np.flatnonzero(np.diff(data.household, prepend=-1))
    lengths = np.diff(np.append(starts, len(data.household)))
    now = np.tile(shares, (len(starts), 1))
    for step in range(int(lengths.max())):
        rows = np.flatnonzero(lengths > step)
        at = starts[rows] + step
        found[at] = now[rows]
        now[rows] = carry * now[rows] + (1.0 - carry) * taken[at]
    return found


def fit_choice(data: Choices, *, loyal: bool = True) -> ChoiceModel:
    """The likeliest coefficients on what training knows; without loyalty the standard conditional logit."""
    if not loyal:
        return _fit(data, None)
    found = [_fit(data, carry) for carry in CARRIES]
    return max(found, key=lambda model: log_likelihood(model, data, data.seen))


def probabilities(model: ChoiceModel, data: Choices) -> Floats:
    """Chances (N, J) of each item."""
    return _softmax(_columns(data, model.carry) @ model.values)


def log_likelihood(model: ChoiceModel, data: Choices, rows: np.ndarray) -> float:
    """Mean log chance of what was chosen on the occasions `rows` (N,)."""
    chance = probabilities(model, data)[np.arange(len(data.chosen)), data.chosen]
    return float(np.log(np.maximum(chance[rows], _EPS)).mean())


def item_elasticities(model: ChoiceModel, data: Choices, *, seed: int = 0) -> ItemElasticity:
    """Own-price elasticity of every item's expected share over all occasions; its interval by draws of the coefficients."""
    X = _columns(data, model.carry)
    draws = np.random.default_rng(seed).multivariate_normal(model.values, model.covariance, DRAWS, method="eigh")
    found = np.stack(
        [_elasticity(values, X, data.price, model.names.index("price")) for values in (model.values, *draws)]
    )
    low, high = np.quantile(found[1:], (0.025, 0.975), axis=0)
    return ItemElasticity(found[0], low, high)


def _elasticity(values: Floats, X: Floats, price: Floats, at: int) -> Floats:
    chance = _softmax(X @ values)
    slope = -values[at] * price * chance * (1.0 - chance)
    return np.asarray(slope.sum(axis=0) / chance.sum(axis=0))


def _names(data: Choices, carry: float | None) -> tuple[str, ...]:
    constants = tuple(f"constant of {item}" for item in data.items[1:])
    return (*constants, "price", *data.fact_names, *(() if carry is None else ("loyalty",)))


def _columns(data: Choices, carry: float | None) -> Floats:
    """Columns (N, J, K) of utility."""
    constants = np.broadcast_to(np.eye(len(data.items))[:, 1:], (*data.price.shape, len(data.items) - 1))
    parts = [constants, data.price[:, :, None], data.facts]
    if carry is not None:
        parts.append(loyalty(data, carry)[:, :, None])
    return np.concatenate(parts, axis=2)


def _fit(data: Choices, carry: float | None) -> ChoiceModel:
    X = _columns(data, carry)[data.seen]
    chosen, household = data.chosen[data.seen], data.household[data.seen]
    rows = np.arange(len(chosen))
    values, loss, step = np.zeros(X.shape[2]), np.inf, np.zeros(X.shape[2])
    for _ in range(STEPS):
        size = 1.0
        while True:
            trial = values + size * step
            chance = _softmax(X @ trial)
            now = -np.log(np.maximum(chance[rows, chosen], _EPS)).sum() + 0.5 * RIDGE * trial @ trial
            if now <= loss + 1e-12 * abs(loss) or size < 1e-6 or not np.isfinite(loss):
                break
            size /= 2
        gain, values, loss = loss - now, trial, now
        if np.isfinite(gain) and gain < TOLERANCE * (1 + abs(loss)):
            break
        mean = np.einsum("nj,njk->nk", chance, X)
        score = X[rows, chosen] - mean
        curvature = (
            np.einsum("nj,njk,njl->kl", chance, X, X, optimize=True) - mean.T @ mean + RIDGE * np.eye(len(values))
        )
        step = np.linalg.solve(curvature, score.sum(axis=0) - RIDGE * values)
    of_household = np.zeros((int(household.max()) + 1, len(values)))
    np.add.at(of_household, household, score)
    inverse = np.linalg.inv(curvature)
    return ChoiceModel(_names(data, carry), values, inverse @ (of_household.T @ of_household) @ inverse, carry)


def _softmax(utility: Floats) -> Floats:
    grown = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def as_table(rows: Mapping[str, Any]) -> Any:
    """The Arrow table of a wide one: arrays by name as in COLUMNS, (N,) for customer_id and occasion, (N, J) for price, chosen
    and facts, (J,) names for item_id."""
    import pyarrow as pa

    items = list(rows["item_id"])
    count = len(rows["customer_id"])
    long = {name: np.repeat(np.asarray(rows[name]), len(items)) for name in ("customer_id", "occasion")}
    long["item_id"] = np.tile(items, count)
    long |= {name: np.asarray(each).ravel() for name, each in rows.items() if name not in long}
    return pa.table({name: each.tolist() for name, each in long.items()})
