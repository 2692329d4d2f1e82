"""The oracle of delivery slots: fees of the exact dynamic program under the true demand, each window's strength known to it."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from orchestration.slot_demand import Offer

if TYPE_CHECKING:
    from models.pricing.instances import CapacityInstance
    from orchestration.slot_pricing import Setter
    from sources.twin.slots.shop import Morning, SlotShop
    from sources.twin.slots.truth import SlotTruth

Floats = npt.NDArray[np.float64]
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


def oracle(shop: "SlotShop", offer: Offer) -> "Setter":
    """Fees of the twin's windows, each solved at the nearest of GRID to what truly comes to it."""
    from models.pricing.exact import solve
    from models.pricing.market import build_market

    truth = shop.truth
    table = np.zeros((len(GRID), offer.horizon, offer.capacity + 1, len(truth.params.competitor)))
    for number, level in enumerate(GRID):
        market = build_market(true_problem(truth, offer, float(level)))
        solution = solve(market)
        if solution is None:
            raise ValueError(f"{offer.capacity} slots over {offer.horizon} days are too many to solve: offer fewer")
        for t, (layer, actions) in enumerate(zip(solution.stocks.layers, solution.actions, strict=True)):
            table[number, t, layer.vectors[:, 0]] = market.prices[actions[:, :, 0]]
    table[:, 0] = table[:, 0, offer.capacity][:, None]  # a window opens with all its slots

    def fees(seen: "Morning", booked: Floats, expected: Floats) -> Floats:
        del booked, expected
        h, a, p = np.indices(seen.left.shape)
        delivered = seen.day + 1 + np.arange(offer.horizon)
        level = truth.usual(delivered) * truth.strength(delivered)
        nearest = np.abs(np.log(level[..., None] / GRID)).argmin(axis=-1)
        rival = np.abs(seen.rival[:, None] / offer.list_fee - np.array(truth.params.competitor)).argmin(axis=1)
        return np.asarray(table[nearest, offer.horizon - 1 - h, seen.left, rival[a]])

    return fees
