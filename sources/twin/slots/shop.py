"""Delivery slots, which are booked day by day at the fees asked and show what a shop would see."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.catalogue import day_number
from sources.twin.decisions import DecisionError
from sources.twin.keyed_random import KeyedRandom, negative_binomial
from sources.twin.slots.params import PARTS, SlotParams
from sources.twin.slots.state import SlotState
from sources.twin.slots.truth import SlotTruth

HIGHEST_FEE = 10.0  # times list fee: outside, fees count as keying errors
_AS_POISSON = 1e9  # shape of a negative binomial from which nobody tells it from a Poisson distribution


@dataclass(frozen=True)
class Morning:
    """What the shop sees before it sets the fees of `day`, for windows (H, A, P) by days to delivery 1..H, area and part:
    slots `left` and the fee `before`; `rival` (A,) the competitor's fee. Nothing here is latent."""

    day: int
    left: Ints
    before: Floats
    rival: Floats


@dataclass(frozen=True)
class SlotDay:
    """A day's windows (H, A, P): slots `left` in the morning, the `fee` asked, slots `booked`; `rival` (A,). `wanted` (G, H, A,
    P), who of each segment would have paid the fee, is truth."""

    day: int
    left: Ints
    fee: Floats
    booked: Ints
    rival: Floats
    wanted: Ints


class SlotShop:
    """The delivery slots of `params` and `seed` from day `start` (since 1970) on.

    Days follow one another; `advance` makes a new `state` and leaves the old one as it was, so that a kept one can be put back.
    All luck is keyed by (seed, domain, window, day): under any fees the same customers come, each with the same willingness.
    """

    def __init__(self, params: SlotParams, seed: int, start: int) -> None:
        self.params = params
        self.truth = SlotTruth(params, KeyedRandom(seed))
        self.state = SlotState.fresh(params)
        self.next_day = start
        self._random = self.truth.random
        self._ahead = np.arange(1, params.horizon_days + 1)
        self._arrivals = self.truth.arrivals()
        self._steps = np.round(
            params.list_fee * np.linspace(params.plan_lowest, params.plan_highest, params.plan_steps), 2
        )

    def morning(self) -> Morning:
        """What is seen before the fees of the next day are set."""
        return Morning(self.next_day, self.state.left, self.state.fee, self._rival(self.state))

    def planned(self, day: int) -> Floats:
        """Fees (H, A, P) of the shop's plan on a day: an area's part keeps one for `plan_days` of deliveries."""
        spell = ((day + self._ahead) // self.params.plan_days)[:, None, None]
        a, p = np.arange(self.params.areas)[:, None], np.arange(len(PARTS))
        return self._steps[self._random.integers("slots.plan", 0, len(self._steps), spell, a, p)]

    def advance(self, day: date, fees: Floats | None = None) -> SlotDay:
        """Live through `day` at `fees` (H, A, P), NaN or None where the plan holds.

        Raises `DecisionError` for a day out of turn or fees that cannot be asked; the shop is then as it was before.
        """
        now = day_number(day)
        if now != self.next_day:
            due = np.datetime64(self.next_day, "D")
            raise DecisionError(f"day {day} is out of turn; the next day of the slots is {due}")
        state = self.state
        fee = self.planned(now)
        self.check(fees)
        if fees is not None:
            fee = np.where(np.isnan(fees), fee, np.round(fees, 2))
        wanted = self._wanted(now, fee, state.rival)
        booked = np.minimum(wanted.sum(axis=0), state.left)
        lived = SlotDay(now, state.left, fee, booked, self._rival(state), wanted)
        self.state = self._evening(now, state, fee, booked)
        self.next_day = now + 1
        return lived

    def _wanted(self, now: int, fee: Floats, rival: Ints) -> Ints:
        """Customers (G, H, A, P) who pay the fee."""
        truth, segments = self.truth, self.params.segments
        delivered = now + self._ahead
        level = truth.usual(delivered) * truth.strength(delivered)
        mean = self._arrivals[:, :, None, None] * level  # (G, H, A, P)
        g, a, p = np.ogrid[: len(segments), : fee.shape[1], : fee.shape[2]]
        window = (g[:, None], delivered[:, None, None], a[:, None], p[:, None], now)
        luck = self._random.uniform("slots.arrivals", *window).ravel()
        come = negative_binomial(luck, mean.ravel(), np.full(mean.size, _AS_POISSON)).reshape(mean.shape)
        each = np.arange(come.max(initial=0))
        drawn = self._random.uniform("slots.willingness", *(np.asarray(i)[..., None] for i in window), each)
        odds = np.log(drawn) - np.log1p(-drawn)
        middle, spread = (
            np.array([getattr(s, name) for s in segments])[:, None, None, None, None]
            for name in ("willingness", "spread")
        )
        pays = middle * truth.rival_effect()[rival][:, None, None] + spread * odds >= fee[..., None]
        return np.asarray((pays & (each < come[..., None])).sum(axis=-1))

    def _evening(self, now: int, state: SlotState, fee: Floats, booked: Ints) -> SlotState:
        """Windows come a day nearer; those of the last day of the horizon open at list fee with all their slots."""
        opened = np.full_like(state.left[:1], self.params.capacity)
        printed = np.full_like(fee[:1], self.params.list_fee)
        left = np.concatenate([(state.left - booked)[1:], opened])
        areas, levels = np.arange(self.params.areas), len(self.params.competitor)
        moves = self._random.uniform("slots.rival", areas, now) >= self.params.competitor_stays
        other = (state.rival + self._random.integers("slots.rival_to", 1, max(levels, 2), areas, now)) % levels
        return SlotState(left, np.concatenate([fee[1:], printed]), np.where(moves, other, state.rival))

    def _rival(self, state: SlotState) -> Floats:
        return self.params.list_fee * np.array(self.params.competitor)[state.rival]

    def check(self, fees: Floats | None) -> None:
        """Raise `DecisionError` for the first of fees (H, A, P) that cannot be asked."""
        if fees is None:
            return
        shape = self.state.left.shape
        if not self.params.areas:
            raise DecisionError("slot_fees: no delivery slots are offered; set slots.areas above 0")
        if fees.shape != shape:
            raise DecisionError(
                f"slot_fees has shape {fees.shape}, windows are {shape}; give a fee a day ahead, area and part, NaN for plain"
            )
        highest = HIGHEST_FEE * self.params.list_fee
        bad = (fees < 0) | (fees > highest)
        if bad.any():
            h, a, p = (int(i[0]) for i in np.nonzero(bad))
            raise DecisionError(
                f"slot_fees[{h}, {a}, {p}] = {fees[h, a, p]:g} lies outside [0, {highest:g}]; clip it, or NaN for the plain rule"
            )
