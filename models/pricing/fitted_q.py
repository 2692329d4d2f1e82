"""Fitted Q evaluation by linear regression, and the weights that go with it.

Backward over periods, Q_t(s, a) = phi_t(s, a) theta_t is fitted to money_t + Q_{t+1}(s', target(s')) by ridge regression on
all prices that were asked: Ernst et al. (2005) as evaluation, Le, Voloshin and Yue (2019). For a linear class that is the
minimax estimator (Duan and Wang 2020), and the ratio of how often target and log meet a situation and price comes with it:
w_t(s, a) = phi_t(s, a) Sigma_t^-1 nu_t, nu_t the mean of phi_t under the target, forward over periods (Uehara, Huang and Jiang
2020, "Minimax Weight and Q-Function Learning for Off-Policy Evaluation").

phi is made of what is believed of demand and of what a shelf does with a sale; its weights come from the log alone.

What phi cannot express is the limit. With demand two thirds as elastic as believed and a shop that tried near prices alone
(softmax 0.3, 4,000 episodes), values of a bid price were 1 to 20 % off and 9 of 18 intervals missed (salad, resin, parking).
With demand half again as elastic as believed and any price tried (epsilon 0.3), intervals for the best policy held in 8, 6
and 5 of 8 logs (salad, berries, flight).
"""

from dataclasses import dataclass

import numpy as np

from models.common.protocols import DataError
from models.pricing.baselines import Policy
from models.pricing.logged import Log
from models.pricing.market import SMALLEST, Floats, Ints, Market
from models.pricing.practice import asked
from models.pricing.shelf import demand_probabilities
from models.pricing.state import AGE_CLASSES

PENALTY = (
    0.1  # rows that say that a standardised feature means nothing: ten times as many cost 1 % of a thin log's truth
)
MOST_LEVELS = 12  # of the chain that get weights of their own; with more, what each does to demand stands for it
LEAST_SPREAD = 1e-9
MOST_CELLS = 4_000_000  # of a period's table of sales by chain state, price and units
KNOTS = (0.1, 0.25, 0.5)  # of the room, where the worth of what is left may bend


@dataclass(frozen=True)
class Fitted:
    """Of N logged episodes of T periods: `q` (N, T) of the price asked, `v` (N, T) of the one that the target would ask,
    `ratio` (N, T) how much more often the target comes there; money until the end. Each episode's are of a regression that
    has not seen it, unless there is one fold."""

    q: Floats
    v: Floats
    ratio: Floats


def fit_q(market: Market, log: Log, target: Policy, *, folds: int, seed: int, most_weight: float) -> Fitted:
    """Fit on the log; with `folds` above 1 every episode is told by what the others say. Ratios are kept within `most_weight`:
    where a fold holds the only episode of its kind, a line through the others goes anywhere."""
    if not 1 <= folds <= log.episodes // 2:
        raise DataError(f"folds {folds}: expected 1 to {log.episodes // 2}, half of {log.episodes} episodes")
    fold = np.random.default_rng(seed).permutation(log.episodes) % folds
    seen = [fold != each if folds > 1 else fold == each for each in range(folds)]
    shape = (log.episodes, log.periods)
    found = Fitted(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    solved: list[list[Floats]] = []  # by fold and period, latest first: inverse second moments
    later = [np.zeros(log.episodes) for _ in seen]
    for t in range(log.periods - 1, -1, -1):
        own, wished = _features(market, log, t, target)
        solved.append([])
        for number, rows in enumerate(seen):
            inverse: Floats = np.asarray(np.linalg.inv(_moment(own[rows])), dtype=np.float64)
            aim = log.money[rows, t] + later[number][rows]
            theta = inverse @ (own[rows].T @ aim / rows.sum())
            later[number] = wished @ theta
            solved[-1].append(inverse)
            held = fold == number
            found.q[held, t], found.v[held, t] = own[held] @ theta, later[number][held]
    ratio = [np.ones(log.episodes) for _ in seen]
    for t in range(log.periods):
        own, wished = _features(market, log, t, target)
        for number, rows in enumerate(seen):
            mean = wished[rows].T @ ratio[number][rows] / rows.sum()
            ratio[number] = own @ (solved[log.periods - 1 - t][number] @ mean)
            held = fold == number
            found.ratio[held, t] = np.clip(ratio[number][held], -most_weight, most_weight)
    return found


def _features(market: Market, log: Log, t: int, target: Policy) -> tuple[Floats, Floats]:
    """Standardised features (N, K) of the price asked and of the target's, the constant first."""
    at = log.reading(t)
    own = basis(market, t, at.e, at.stock, log.action[:, t])
    wished = basis(market, t, at.e, at.stock, asked(market, target, at))
    middle, spread = own.mean(axis=0), own.std(axis=0)
    spread = np.where(spread > LEAST_SPREAD, spread, np.inf)  # what never moves says nothing
    one = np.ones((len(own), 1))
    return tuple(np.hstack([one, (each - middle) / spread]) for each in (own, wished))  # type: ignore[return-value]


def _moment(features: Floats) -> Floats:
    penalty = np.full(features.shape[1], PENALTY)
    penalty[0] = SMALLEST
    return np.asarray((features.T @ features + np.diag(penalty)) / len(features))


def basis(market: Market, t: int, e: Ints, stock: Ints, action: Ints) -> Floats:
    """Features (N, K) of asking price `action` (N,) in period t, chain states `e` (N,), `stock` (N, L).

    Of the chain state, of what is expected to be sold and left by each deadline, and of the price itself.
    """
    room = market.room
    through = np.cumsum(stock, axis=1)
    total = through[:, -1:]
    by_deadline = np.hstack([through[:, : min(market.ages, AGE_CLASSES) - 1], total])
    if market.newest_first:  # the newest cover demand first, the oldest get what is beyond
        both = _sales(market, t, e, action, np.hstack([total, total - by_deadline]))
        sold = both[:, :1] - both[:, 1:]
    else:
        sold = _sales(market, t, e, action, by_deadline)
    left = (by_deadline - sold) / room
    units = sold[:, -1:] / room
    levels = len(market.chain.demand)
    if levels <= MOST_LEVELS:
        chain = np.eye(levels)[e][:, 1:]
    else:
        chain = np.stack([market.chain.demand[e], market.chain.willingness[e]], axis=1)
    price = np.eye(len(market.prices))[action][:, 1:]
    over = (market.prices[action] / market.list_price)[:, None]
    share = total / room
    columns = [
        chain, by_deadline / room, share**2, left, left**2, units, units * over, price, price * share,
        *(chain * each for each in (share, left[:, -1:], left[:, :1], over)),
        *(np.maximum(left[:, -1:] - knot, 0.0) for knot in KNOTS),
    ]  # fmt: skip
    return np.hstack(columns)


def _sales(market: Market, t: int, e: Ints, action: Ints, units: Ints) -> Floats:
    """Units (N, K) that are believed to be sold of so many on offer: the mean of the lesser of demand and offer. A rough one
    shifted fitted Q by 1 %, so the distribution is summed."""
    most = max(int(units.max()), 1)
    if market.nominal[t].size * most > MOST_CELLS:
        from scipy import stats

        # So many units that demand is as good as normal.
        mean = market.nominal[t, e, action][:, None]
        deep = np.sqrt(mean + (0.0 if market.dispersion is None else mean**2 / market.dispersion)) + SMALLEST
        over = (units - mean) / deep
        return np.asarray(np.maximum(units - deep * (over * stats.norm.cdf(over) + stats.norm.pdf(over)), 0.0))
    beyond = 1.0 - demand_probabilities(market.nominal[t], most, market.dispersion).cumsum(axis=2)[..., :-1]
    table = np.concatenate([np.zeros_like(beyond[..., :1]), beyond.cumsum(axis=2)], axis=2)  # (E, A, most + 1)
    return np.asarray(table[e[:, None], action[:, None], units])
