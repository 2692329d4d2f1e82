"""The oracle of delivery slots: fees of the exact dynamic program under the true demand, each window's strength known to it."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from orchestration.slot_demand import Offer

if TYPE_CHECKING:
    from models.pricing.instances import CapacityInstance
    from models.pricing.market import Market
    from models.pricing.state import Reading
    from orchestration.slot_play import Setter
    from sources.twin.slots.shop import Morning, SlotShop
    from sources.twin.slots.truth import SlotTruth

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
GRID = np.geomspace(0.15, 8.0, 40)  # times a usual window's arrivals: a step is 11 %


def true_problem(truth: "SlotTruth", offer: Offer, level: float) -> "CapacityInstance":
    """The problem of a window that `level` times the usual arrivals come to."""
    from models.pricing.instances import CapacityInstance

    params = truth.params
    arrivals = truth.arrivals()[:, ::-1] * level
    others = len(params.competitor) - 1
    moves = np.full((others + 1, others + 1), (1.0 - params.competitor_stays) / max(others, 1))
    np.fill_diagonal(moves, params.competitor_stays if others else 1.0)
    rival = [
        {"value": value, "willingness": float(effect)}
        for value, effect in zip(params.competitor, truth.rival_effect(), strict=True)
    ]
    return CapacityInstance.model_validate(
        {
            "name": "true-slots", "kind": "capacity", "periods": offer.horizon, "list_price": offer.list_fee,
            "prices": offer.fees, "capacity": offer.capacity,
            "segments": [
                {"name": each.name, "arrivals": row.tolist(), "willingness": each.willingness, "spread": each.spread}
                for each, row in zip(params.segments, arrivals, strict=True)
            ],
            "factors": [
                {"name": "competitor_price", "levels": rival, "transition": moves.tolist(), "start": others // 2}
            ],
        }
    )  # fmt: skip


class Solved:
    """The exact program's policy on a market of capacity that it fits."""

    def __init__(self, market: "Market", name: str = "dynamic program") -> None:
        from models.pricing.exact import solve

        told = market.followed_by(market.nominal[None])
        solution = solve(told)
        if solution is None:
            raise ValueError(f"{market.name}: {market.room} units over {market.periods} periods are too many to solve")
        self.name = name
        self._actions = np.zeros((market.periods, market.room + 1, len(market.chain.demand)), dtype=np.int64)
        for t, (layer, actions) in enumerate(zip(solution.stocks.layers, solution.actions, strict=True)):
            self._actions[t, layer.vectors[:, 0]] = actions[:, :, 0]

    def choose(self, at: "Reading") -> Ints:
        """Number of the price (N,)."""
        return np.asarray(self._actions[at.t, at.stock[:, 0], at.e])


def oracle(shop: "SlotShop", offer: Offer) -> "Setter":
    """Fees of the twin's windows, each solved at the nearest of GRID to what truly comes to it."""
    from models.pricing.market import build_market
    from models.pricing.state import Reading

    truth = shop.truth
    markets = [build_market(true_problem(truth, offer, float(level))) for level in GRID]
    table = [Solved(market) for market in markets]
    prices = markets[0].prices

    def fees(seen: "Morning", booked: Floats, expected: Floats) -> Floats:
        del booked, expected
        h, a, _ = np.indices(seen.left.shape)
        delivered = seen.day + 1 + np.arange(offer.horizon)
        level = truth.usual(delivered) * truth.strength(delivered)
        nearest = np.abs(np.log(level[..., None] / GRID)).argmin(axis=-1)
        rival = np.abs(seen.rival[:, None] / offer.list_fee - np.array(truth.params.competitor)).argmin(axis=1)
        found = np.empty(seen.left.shape)
        for number in np.unique(nearest):
            here = nearest == number
            t, e, left = offer.horizon - 1 - h[here], rival[a][here], seen.left[here]
            found[here] = prices[table[number].choose(Reading(t, e, np.zeros_like(t), left[:, None]))]
        return found

    return fees
