"""From the bookings of delivery slots to what pricing needs: demand fitted from observed rows, windows grouped into kinds,
each kind a problem of capacity with plausible demands to learn on."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

    from models.elasticity.bookings import BookingDemand, BookingLog
    from models.pricing.instances import CapacityInstance
    from models.pricing.market import Market

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEES = tuple(float(each) for each in range(1, 13))  # that may be asked
KINDS = ("quiet", "usual", "busy")
INDEX = tuple(np.round(np.geomspace(0.4, 2.5, 12), 3).tolist())  # levels of how strongly a window is booked
SMOOTHING = 0.5  # moves added to every pair of levels, so that none is impossible
WEEK = 7
_MONDAY = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class Offer:
    """What is offered: slots a window, days over which it is booked, list fee and the fees that may be asked."""

    capacity: int
    horizon: int
    list_fee: float
    fees: tuple[float, ...]


@dataclass(frozen=True)
class SlotBook:
    """What a history of bookings tells. Traits are area, part and weekday; `kind` and `usual` (A, P, 7): number of a window's
    kind and its mean demand over its kind's; `rivals` (R,) the competitor's fees over list, ascending; `moves` (R, R) their
    chances a day and `drift` (len(KINDS), len(INDEX), len(INDEX)) those of the index."""

    offer: Offer
    demand: "BookingDemand"
    kind: Ints
    usual: Floats
    levels: Floats
    rivals: Floats
    moves: Floats
    drift: Floats

    @property
    def traits(self) -> Ints:
        """Traits (A * P * 7, 3) of all windows that there may be, in the order of `kind.ravel()`."""
        return np.stack([i.ravel() for i in np.indices(self.kind.shape)], axis=1)

    @cached_property
    def instances(self) -> tuple["CapacityInstance", ...]:
        """A problem a kind, as fitted."""
        return tuple(self._instance(number, self.demand) for number in range(len(KINDS)))

    def markets(self, *, ensemble: int = 1, seed: int = 0) -> tuple["Market", ...]:
        """The problems with `ensemble` plausible demands to learn on, the fitted one among them."""
        from models.pricing.market import build_market

        drawn = self.demand.draws(ensemble - 1, np.random.default_rng(seed))
        found = []
        for number, instance in enumerate(self.instances):
            market = build_market(instance)
            others = [build_market(self._instance(number, each)).mean for each in drawn]
            found.append(market.followed_by(np.concatenate([market.mean, *others])))
        return tuple(found)

    def believing(self, factor: float) -> "SlotBook":
        """The same book where customers are thought `factor` times as sensitive to fees as was fitted."""
        return replace(self, demand=self.demand.steeper(factor))

    def index(self, traits: Ints, booked: Floats, expected: Floats) -> Floats:
        """How strongly windows (N,) are booked beside their kind, given what was booked where so much was expected."""
        from models.elasticity.bookings import strength

        return np.asarray(self.usual[tuple(traits.T)] * strength(self.demand.shape, booked, expected))

    def chain_state(self, rival: Floats, index: Floats) -> Ints:
        """Number (N,) of the chain state of a kind's market, nearest to what is seen."""
        r, i = (
            np.abs(seen[:, None] - np.array(levels)).argmin(axis=1)
            for seen, levels in ((rival, self.rivals), (index, INDEX))
        )
        return np.asarray(r * len(INDEX) + i)

    def _instance(self, number: int, demand: "BookingDemand") -> "CapacityInstance":
        from models.pricing.instances import CapacityInstance

        offer, days = self.offer, np.arange(self.offer.horizon)
        arrivals = demand.arrivals[::-1] * self.levels[number]  # by period, the first one being the farthest ahead
        segments = [
            {
                "name": f"stretch-{b}",
                "arrivals": np.where(demand.stretch[::-1] == b, arrivals, 0.0).tolist(),
                "willingness": float(demand.willingness[b]),
                "spread": float(demand.spread[b]),
            }
            for b in range(int(demand.stretch.max()) + 1)
        ]
        rival = [{"value": float(each), "willingness": float(each**demand.pull)} for each in self.rivals]
        index = [{"value": each, "demand": each} for each in INDEX]
        told: dict[str, Any] = {
            "name": f"slots-{KINDS[number]}", "kind": "capacity", "periods": len(days), "list_price": offer.list_fee,
            "prices": offer.fees, "capacity": offer.capacity, "segments": segments,
            "factors": [
                {"name": "competitor_price", "levels": rival, "transition": self.moves.tolist(),
                 "start": int(np.abs(self.rivals - 1.0).argmin())},
                {"name": "attention", "levels": index, "transition": self.drift[number].tolist(),
                 "start": int(np.abs(np.array(INDEX) - 1.0).argmin())},
            ],
        }  # fmt: skip
        return CapacityInstance(**told)


def fit_book(bookings: "pa.Table", offer: Offer) -> SlotBook:
    """Fit demand on rows of `slot_bookings` and group windows by how much is wanted of them."""
    from models.elasticity.bookings import fit_bookings

    log = booking_log(bookings, offer)
    levels = tuple(int(each) + 1 for each in log.traits.max(axis=0))
    demand = fit_bookings(log, levels=levels)
    shape = (levels[0], levels[1], WEEK)
    every = np.stack([i.ravel() for i in np.indices(shape)], axis=1)
    level = demand.level(every)
    order = level.argsort().argsort()
    kind = order * len(KINDS) // len(level)  # as many windows of each
    means = np.array([level[kind == number].mean() for number in range(len(KINDS))])
    usual = (level / means[kind]).reshape(shape)
    kind = kind.reshape(shape)
    rivals, moves = _rival_moves(log)
    drift = _index_moves(log, demand, kind, usual)
    return SlotBook(offer, demand, kind, usual, means, rivals, moves, drift)


def booking_log(bookings: "pa.Table", offer: Offer) -> "BookingLog":
    """Rows of `slot_bookings` as numbers, in the order of the table: the only place here that knows its columns."""
    from models.elasticity.bookings import BookingLog

    area, part = (bookings[name].combine_chunks().dictionary_encode() for name in ("area_id", "part"))
    areas, parts = (each.indices.to_numpy().astype(np.int64) for each in (area, part))
    delivered, day = (
        bookings[name].to_numpy().astype("datetime64[D]").astype(np.int64) for name in ("delivered_on", "booked_on")
    )
    window = (delivered * len(area.dictionary) + areas) * len(part.dictionary) + parts
    return BookingLog(
        window=window,
        traits=np.stack([areas, parts, (delivered + _MONDAY) % WEEK], axis=1),
        to_go=delivered - day,
        fee=bookings["fee"].to_numpy(),
        rival=bookings["competitor_fee"].to_numpy() / offer.list_fee,
        left=bookings["open_slots"].to_numpy(),
        booked=bookings["booked_slots"].to_numpy(),
    )


def _rival_moves(log: "BookingLog") -> tuple[Floats, Floats]:
    """The competitor's fees over list, and chances (R, R) from one day to the next, as a window saw them."""
    rivals, number = np.unique(np.round(log.rival, 6), return_inverse=True)
    before, after = _followed(log)
    return rivals, _chances(number[before], number[after], len(rivals))


def _index_moves(log: "BookingLog", demand: "BookingDemand", kind: Ints, usual: Floats) -> Floats:
    """Chances (kinds, levels, levels) of the index from a day to the next, as it moved in the log."""
    from models.elasticity.bookings import strength_so_far

    index = usual[tuple(log.traits.T)] * strength_so_far(demand, log)
    number = np.abs(index[:, None] - np.array(INDEX)).argmin(axis=1)
    before, after = _followed(log)
    of = kind[tuple(log.traits[before].T)]
    return np.stack(
        [_chances(number[before][of == each], number[after][of == each], len(INDEX)) for each in range(len(KINDS))]
    )


def _followed(log: "BookingLog") -> tuple[Ints, Ints]:
    """Rows of which the log has the same window's next day, and the rows of that."""
    order = np.lexsort((-log.to_go, log.window))
    same = (np.diff(log.window[order]) == 0) & (np.diff(log.to_go[order]) == -1)
    return order[:-1][same], order[1:][same]


def _chances(before: Ints, after: Ints, levels: int) -> Floats:
    counts = np.zeros((levels, levels))
    np.add.at(counts, (before, after), 1.0)
    # A level that nobody saw stays as it is.
    counts += SMOOTHING / levels * (counts.sum(axis=1, keepdims=True) > 0)
    counts += np.diag((counts.sum(axis=1) == 0).astype(np.float64))
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
