"""From prices to proposals: one an item whose price would change, known again by the run that it comes from."""

import json
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from models.pricing.guardrails import HALF_CENT
from serving.approvals import Proposal
from serving.pricing_batches import SERVED, Prices

ID_LENGTH = 32


def proposals_of(found: Sequence[Prices], artifact_id: str, run: str) -> tuple[list[Proposal], list[list[str | None]]]:
    """Proposals, and their ids by batch and row; None where the price stays as it is.

    The same item, situation and price in the same run is the same proposal, however often it is sent.
    """
    made: list[Proposal] = []
    ids: list[list[str | None]] = []
    for each in found:
        asked, moment = each.asked, each.asked.moment
        told: list[str | None] = [None] * len(asked.item_ids)
        moves = np.abs(each.price - asked.before) > HALF_CENT
        served = SERVED[each.served].tolist()
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
                )
            )
        ids.append(told)
    return made, ids
