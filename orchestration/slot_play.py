"""Delivery slots priced day by day: in the twin, where customers are as they are, and in a world where they are as fitted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from orchestration.slot_demand import FEES, KINDS, Offer, SlotBook, fit_book

if TYPE_CHECKING:
    from models.pricing.baselines import Policy
    from sources.twin.slots.params import SlotParams
    from sources.twin.slots.shop import Morning, SlotDay, SlotShop

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
START = date(2024, 1, 1)
HISTORY_DAYS, JUDGED_DAYS = 364, 182


@dataclass(frozen=True)
class Played:
    """A policy's windows (W,), those alone whose whole horizon it priced: `revenue` and `booked` of each; `path` and `left`
    (kinds, H) mean fee asked and slots left by period."""

    revenue: Floats
    booked: Floats
    capacity: int
    path: Floats
    left: Floats

    @property
    def money(self) -> float:
        """Revenue a window."""
        return float(self.revenue.mean())

    @property
    def price(self) -> float:
        """Mean fee that was paid."""
        return float(self.revenue.sum() / max(self.booked.sum(), 1e-9))

    @property
    def load(self) -> float:
        """Share of slots that were booked."""
        return float(self.booked.mean() / self.capacity)


@dataclass(frozen=True)
class Judged:
    """All policies in one world; `promised` revenue a window, for those that go by fitted demand."""

    seed: int
    played: Mapping[str, Played]
    promised: Mapping[str, float]

    def over(self, name: str, other: str, what: str) -> float:
        """Difference of a figure of `Played` between two policies, as a fraction of the other's; of `load` in points."""
        ours, theirs = (getattr(self.played[each], what) for each in (name, other))
        return float(ours - theirs if what == "load" else ours / theirs - 1.0)


@dataclass
class Desk:
    """Prices windows by a policy a kind, all of them reading the same: slots left, days to go, the competitor's fee, and how
    strongly the window is booked beside what was expected at the fees asked so far."""

    book: SlotBook
    policies: Sequence["Policy"]
    prices: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.prices = np.sort(np.array(self.book.offer.fees))

    def fees(
        self, period: Ints, traits: Ints, left: Ints, before: Floats, rival: Floats, booked: Floats, expected: Floats
    ) -> Floats:
        """Fees (N,) of windows (N,) with traits (N, 3); `booked` so far where `expected` were."""
        from models.pricing.state import Reading

        state = self.book.chain_state(rival, self.book.index(traits, booked, expected))
        nearest = np.abs(before[:, None] - self.prices).argmin(axis=1)
        kind = self.book.kind[tuple(traits.T)]
        found = np.empty(len(left))
        for number, policy in enumerate(self.policies):
            rows = np.flatnonzero(kind == number)
            if rows.size:
                at = Reading(period[rows], state[rows], nearest[rows], left[rows, None])
                found[rows] = self.prices[policy.choose(at)]
        return found


Setter = Callable[["Morning", Floats, Floats], Floats]  # fees of windows, of what is seen, booked and expected so far


def slot_shop(params: "SlotParams", seed: int) -> tuple["SlotShop", SlotBook]:
    """A shop that lived HISTORY_DAYS by its own plan, and what its table tells of them."""
    from sources.twin.catalogue import day_number
    from sources.twin.slots.shop import SlotShop
    from sources.twin.slots.tables import slot_bookings

    shop = SlotShop(params, seed, day_number(START))
    days = [shop.advance(START + timedelta(days=number)) for number in range(HISTORY_DAYS)]
    offer = Offer(params.capacity, params.horizon_days, params.list_fee, FEES)
    return shop, fit_book(slot_bookings(days), offer)


def at_one_fee(fee: float) -> Setter:
    """The same fee for every window at all times."""

    def fees(seen: "Morning", booked: Floats, expected: Floats) -> Floats:
        del booked, expected
        return np.full(seen.left.shape, fee)

    return fees


def by_desk(book: SlotBook, policies: Sequence["Policy"]) -> Setter:
    """Fees of a policy a kind, by what the shop can see."""
    desk = Desk(book, policies)

    def fees(seen: "Morning", booked: Floats, expected: Floats) -> Floats:
        traits, to_go = windows(seen)
        rival = np.broadcast_to(seen.rival[:, None] / book.offer.list_fee, seen.left.shape)
        found = desk.fees(
            book.offer.horizon - to_go, traits, seen.left.ravel(), seen.before.ravel(), rival.ravel(), booked.ravel(),
            expected.ravel(),
        )  # fmt: skip
        return found.reshape(seen.left.shape)

    return fees


def windows(seen: "Morning") -> tuple[Ints, Ints]:
    """Traits (N, 3) and days to go (N,) of all windows of a morning, in the order of its arrays flattened."""
    from sources.twin.slots.truth import weekday

    h, a, p = (i.ravel() for i in np.indices(seen.left.shape))
    return np.stack([a, p, weekday(seen.day + h + 1)], axis=1), h + 1


def play(shop: "SlotShop", book: SlotBook, setter: Setter, *, days: int = JUDGED_DAYS) -> Played:
    """The days that follow in the twin, which stays as it was: every setter meets the same customers."""
    from copy import copy

    from models.elasticity.bookings import unconstrain

    trial = copy(shop)
    booked, expected = (np.zeros(trial.state.left.shape) for _ in range(2))
    lived: list[SlotDay] = []
    for _ in range(days):
        seen = trial.morning()
        traits, to_go = windows(seen)
        lived.append(trial.advance(_day(seen.day), setter(seen, booked, expected)))
        now, rival = lived[-1], np.broadcast_to(seen.rival[:, None] / book.offer.list_fee, seen.left.shape)
        mean = book.demand.mean(traits, to_go, now.fee.ravel(), rival.ravel()).reshape(seen.left.shape)
        some = seen.left > 0  # what is sold out tells nothing more
        booked = _nearer(booked + np.where(some, unconstrain(now.booked, seen.left, mean), 0.0))
        expected = _nearer(expected + np.where(some, mean, 0.0))
    return _played(lived, book)


def promised(book: SlotBook, policies: Sequence["Policy"], *, weeks: int, seed: int) -> Played:
    """The same play where customers are as fitted: `weeks` of every window there is."""
    from models.elasticity.bookings import unconstrain

    offer, demand, rng = book.offer, book.demand, np.random.default_rng(seed)
    traits = np.tile(book.traits, (weeks, 1))
    count = len(traits)
    strong = rng.gamma(demand.shape, 1.0 / demand.shape, count)
    moves = book.moves.cumsum(axis=1)
    rival = rng.choice(len(book.rivals), count, p=_settled(book.moves))
    left, before = np.full(count, offer.capacity), np.full(count, offer.list_fee)
    booked, expected, revenue = np.zeros(count), np.zeros(count), np.zeros(count)
    desk, kind = Desk(book, policies), book.kind[tuple(traits.T)]
    path, mean_left = (np.zeros((len(KINDS), offer.horizon)) for _ in range(2))
    for period in range(offer.horizon):
        shown, at = book.rivals[rival], np.full(count, period)
        fee = desk.fees(at, traits, left, before, shown, booked, expected)
        for number in range(len(KINDS)):
            path[number, period], mean_left[number, period] = fee[kind == number].mean(), left[kind == number].mean()
        mean = demand.mean(traits, offer.horizon - at, fee, shown)
        sold = np.minimum(rng.poisson(strong * mean), left)
        some = left > 0
        booked += np.where(some, unconstrain(sold, left, mean), 0.0)
        expected += np.where(some, mean, 0.0)
        revenue += fee * sold
        left, before = left - sold, fee
        rival = np.minimum((rng.random(count)[:, None] > moves[rival]).sum(axis=1), len(book.rivals) - 1)
    return Played(revenue, (offer.capacity - left).astype(np.float64), offer.capacity, path, mean_left)


def _settled(moves: Floats) -> Floats:
    """Shares (R,) of time that a chain spends in each state."""
    shares = np.linalg.matrix_power(moves, 1 << 12)[0]
    return np.asarray(shares / shares.sum())


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _nearer(values: Floats) -> Floats:
    """Of windows (H, A, P), a day later: those that open have none."""
    return np.concatenate([values[1:], np.zeros_like(values[:1])])


def _played(lived: Sequence["SlotDay"], book: SlotBook) -> Played:
    from sources.twin.slots.truth import weekday

    horizon = book.offer.horizon
    fee, booked, left = (np.stack([getattr(each, name) for each in lived]) for name in ("fee", "booked", "left"))

    def of_windows(values: Floats) -> Floats:
        """From (D, H, A, P) to (windows' days, A, P, H), by period, of those that were open on all their days."""
        whole = len(lived) - horizon + 1
        return np.stack([values[t : t + whole, horizon - 1 - t] for t in range(horizon)], axis=3)

    fee, booked, left = of_windows(fee), of_windows(booked), of_windows(left)
    first = lived[0].day + horizon
    week = weekday(np.arange(first, first + len(fee)))
    kind = np.moveaxis(book.kind[:, :, week], 2, 0)
    path, mean_left = (
        np.array([values[kind == number].mean(axis=0) for number in range(len(KINDS))]) for values in (fee, left)
    )
    return Played((fee * booked).sum(axis=3).ravel(), booked.sum(axis=3).ravel(), book.offer.capacity, path, mean_left)
