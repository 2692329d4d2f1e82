"""Open orders of fresh goods, told from what came: no table says what was ordered, so the rhythm of the deliveries does.

Assumed: a good comes every `every` mornings, counted from its last delivery, and was ordered `lead` nights before; an order
fills up what is left and on the way to a level. A short delivery, or one that was not needed, is not foreseen.
"""

from dataclasses import dataclass

import numpy as np

from orchestration.fresh_diary import Bools, Floats, Ints

RECENT_DAYS = 56


@dataclass(frozen=True)
class Orders:
    """On the morning after the last day, of S stores and P products, (S, P) each: units that arrive `today` and `tomorrow`,
    ordered already, and nights `wait` until the next order, 0 tonight."""

    today: Ints
    tomorrow: Ints
    wait: Ints


def orders_of(received: Ints, closing: Ints, levels: Ints, *, every: Ints, lead: Ints) -> Orders:
    """From D days of units `received` and `closing` (D, S, P); `levels` (S, P) that an order tonight for tomorrow fills up to,
    `every` nights an order and `lead` of 1 or 2 mornings, (P,) each.

    Where nothing ever came, goods of every day are due and the others wait for tonight's order.
    """
    last, came = _last_delivery(received), (received > 0).any(axis=0)
    morning = len(received)
    late = np.broadcast_to(lead > 1, closing.shape[1:])

    def due(ahead: int) -> Bools:
        return np.asarray(np.where(came, (morning + ahead - last) % every == 0, every == 1))

    fills = np.where(late, filled_to(received, closing, levels), levels)
    # What arrives today in the second morning was ordered when yesterday's delivery was still on its way.
    held = np.where(late, closing[-2] + received[-1] if morning > 1 else closing[-1], closing[-1])
    today = np.where(due(0), np.maximum(fills - held, 0), 0)
    tomorrow = np.where(late & due(1), np.maximum(fills - closing[-1] - today, 0), 0)
    return Orders(today, tomorrow, np.where(came, (last - lead - morning) % every, 0))


def filled_to(received: Ints, closing: Ints, otherwise: Ints) -> Ints:
    """Units (S, P) on the shelf and on the way that an order of two mornings filled up to, as a rule: the median of recent
    nights whose order came, and `otherwise` where there is none."""
    left, next_day, arrived = closing[:-2], received[1:-1], received[2:]
    position = np.where(arrived > 0, left + next_day + arrived, np.nan)[-RECENT_DAYS:]
    seen = np.isfinite(position).any(axis=0)
    found: Floats = otherwise.astype(np.float64)
    found[seen] = np.nanmedian(position[:, seen], axis=0)
    return np.ceil(found).astype(np.int64)


def _last_delivery(received: Ints) -> Ints:
    """Number (S, P) of the last day that something came; 0 where nothing did."""
    days = np.arange(len(received))[:, None, None]
    return np.asarray(np.where(received > 0, days, 0).max(axis=0))
