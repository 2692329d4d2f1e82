"""Takes feedback in: to the customers' features for the next request, to the journal for the learner; then it is confirmed.

Both know again what they had, by id: a delivery that was not confirmed is sent again, whole, and counts once.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from features.online_customers import CustomerEvent, OnlineCustomers
from models.common.protocols import DataError
from models.recommender import online_log
from models.recommender.online_config import FeedbackConfig
from models.recommender.online_features import OnlineFeatures, text_codes
from serving.impressions import ImpressionIds, Impressions, UnknownImpressionError
from serving.recommender_schemas import Event, FeedbackRequest
from serving.replies import Refusal

AHEAD = timedelta(minutes=5)  # clocks of tills and phones differ
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANSWERS = ("click", "cart", "purchase")  # to an impression; whoever put it into the cart has looked at it
NOT_COUNTED = {"new": 0, "known": 0, "too_old": 0}


@dataclass(frozen=True)
class Delivery:
    """A request, read: impressions each once, names of those answered to and when, events of customers."""

    shown: Impressions
    clicks: tuple[str, ...]
    clicked_us: tuple[int, ...]
    events: tuple[CustomerEvent, ...]


class FeedbackDesk:
    """Reads deliveries and takes them in, one after the other, in a thread of its own: a disk is waited for."""

    def __init__(self, folder: Path | None, ids: ImpressionIds, features: OnlineFeatures, cfg: FeedbackConfig) -> None:
        """folder: of the learner, None where nothing is learned."""
        self._folder, self._ids, self._features, self._cfg = folder, ids, features, cfg
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self._journal: online_log.FeedbackLog | None = None

    async def accept(self, request: FeedbackRequest, customers: OnlineCustomers | None) -> dict[str, Any]:
        """The fields of `FeedbackReply`, once all is on the disk; Refusal where the request cannot be taken in."""
        delivery = self.read(request)
        if self._folder is None and delivery.shown.names:
            raise Refusal(
                503, "nothing learns here: set STORELOOP_SERVE_ONLINE to a folder, or send events without impressions"
            )
        loop = asyncio.get_running_loop()
        counted = await loop.run_in_executor(self._pool, self._take_in, delivery, customers)
        untold = customers is None and bool(delivery.events)
        notes = ["this release knows no customers: events were taken for learning alone"] if untold else []
        return {**counted, "notes": notes}

    def read(self, request: FeedbackRequest) -> Delivery:
        """Check ids and times; what was answered was shown, also where the message that it was is still under way."""
        told = {number: event for number, event in enumerate(request.events) if event.impression_id is not None}
        try:
            shown = self._ids.read([*request.shown, *(event.impression_id or "" for event in told.values())])
        except UnknownImpressionError as error:
            raise Refusal(400, str(error)) from error
        latest = datetime.now(UTC) + AHEAD
        for number, event in enumerate(request.events):
            if not EPOCH < event.event_time <= latest:
                raise Refusal(
                    400, f"events[{number}]: event_time {event.event_time.isoformat()} is not between 1970 and now"
                )
        first = len(request.shown)
        self._same_as_shown(told, shown.codes[first:])
        short = dict(zip(told, shown.names[first:], strict=True))
        answers = {number: event for number, event in told.items() if event.kind in ANSWERS}
        _, once = np.unique(np.asarray(shown.names, dtype=np.str_), return_index=True)
        return Delivery(
            shown.take(once),
            tuple(short[number] for number in answers),
            tuple(_microseconds(event.event_time) for event in answers.values()),
            tuple(
                CustomerEvent(
                    event.customer_id,
                    event.item_id,
                    event.kind,
                    _microseconds(event.event_time),
                    event.event_id or f"{short[number]}:{event.kind}",
                )
                for number, event in enumerate(request.events)
                if event.customer_id is not None
            ),
        )

    def close(self) -> None:
        """Let the journal and the thread go, after what they have begun."""
        self._pool.submit(self._close)  # a connection is closed where it was opened
        self._pool.shutdown(wait=True)

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _same_as_shown(self, told: Mapping[int, Event], codes: Any) -> None:
        """Refusal where an event names another item or customer than its impression, of codes (E, C)."""
        if not told:
            return
        numbers, events = list(told), list(told.values())
        for column, names in (
            ("item", [event.item_id for event in events]),
            ("customer", [event.customer_id or "" for event in events]),
        ):
            differs = codes[:, self._features.columns.index(column)] != text_codes(np.asarray(names))
            if differs.any():
                first = int(differs.argmax())
                raise Refusal(
                    400,
                    f"events[{numbers[first]}]: {column} {names[first][:60]!r} is not that of the impression: send each "
                    "event with the impression that it answers to",
                )

    def _take_in(self, delivery: Delivery, customers: OnlineCustomers | None) -> dict[str, Any]:
        new = customers.push(delivery.events) if customers is not None and delivery.events else 0
        shown, clicks = NOT_COUNTED, NOT_COUNTED
        if self._folder is not None and delivery.shown.names:
            if self._journal is None:
                self._journal = online_log.FeedbackLog(self._folder / "feedback.sqlite", self._cfg)
            try:
                shown = vars(self._journal.accept_impressions(_for_the_journal(delivery.shown)))
            except DataError as error:  # of two shops that share a key, or a chance of one in 2 ** 64
                raise Refusal(409, str(error)) from error
            if delivery.clicks:
                clicked_us = np.asarray(delivery.clicked_us, dtype=np.int64)
                clicks = vars(self._journal.accept_clicks(delivery.clicks, clicked_us))
        return {"shown": shown, "clicks": clicks, "customer_events": new}


def _for_the_journal(shown: Impressions) -> online_log.Impressions:
    """All weigh the same: a slate shows what is thought best, and that is what its order is learned for."""
    return online_log.Impressions(shown.names, shown.shown_us, shown.codes, shown.offset, np.ones(len(shown.names)))


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
