"""From prices to proposals: one an item whose price would change, known again by the run that it comes from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np

from models.pricing.guardrails import HALF_CENT, LARGEST_CHANGE
from serving.approvals import Proposal, Unmoved
from serving.pricing_batches import SERVED, Prices

ID_LENGTH = 32


@dataclass(frozen=True)
class Proposed:
    """Of a run: `proposals`, the items whose price stays, and ids of proposals by batch and row, None where the price stays."""

    proposals: list[Proposal]
    unmoved: list[Unmoved]
    ids: list[list[str | None]]


def day_run(day: date) -> str:
    """Name of the run of a day, where nobody gives it another."""
    return f"day {day}"


def proposals_of(found: Sequence[Prices], artifact_id: str, run: str) -> Proposed:
    """The same item, situation and price in the same run is the same proposal, however often it is sent."""
    made: list[Proposal] = []
    unmoved: list[Unmoved] = []
    ids: list[list[str | None]] = []
    for each in found:
        asked, moment = each.asked, each.asked.moment
        told: list[str | None] = [None] * len(asked.item_ids)
        moves = np.abs(each.price - asked.before) > HALF_CENT
        served = SERVED[each.served].tolist()
        most = np.where(each.yielded[:, LARGEST_CHANGE], np.inf, asked.bounds(np.arange(len(told))).largest_change)
        unmoved.extend(
            Unmoved(asked.market, asked.item_ids[row], float(asked.before[row]))
            for row in np.flatnonzero(~moves).tolist()
        )
        for row in np.flatnonzero(moves).tolist():
            old, new, gain = float(asked.before[row]), float(each.price[row]), float(each.gain[row])
            content = [run, asked.market, asked.item_ids[row], int(moment[row]), old, new]
            told[row] = sha256(json.dumps(content).encode()).hexdigest()[:ID_LENGTH]
            made.append(
                Proposal(
                    proposal_id=told[row] or "",
                    market=asked.market,
                    item_id=asked.item_ids[row],
                    old_price=old,
                    new_price=new,
                    wanted=float(each.wanted[row]),
                    rule=str(each.rule[row]),
                    gain=None if np.isnan(gain) else gain,
                    served_by=served[row],
                    artifact_id=artifact_id,
                    largest_change=float(most[row]) if np.isfinite(most[row]) else None,
                )
            )
        ids.append(told)
    return Proposed(made, unmoved, ids)
