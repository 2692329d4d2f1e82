"""Takes in what boxes of shelf labels tell, and tells it to people and to the loop: each by a token of the environment."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pydantic_core import to_json

from serving.approval_roles import Person, Role, Tokens
from serving.label_decisions import LabelDecisions, Told
from serving.label_schemas import DecisionsRequest, ToldRequest
from serving.metrics import ServiceMetrics
from serving.replies import Refusal
from serving.settings import ServeSettings

logger = logging.getLogger("storeloop.serving")
T = TypeVar("T")
FILE = "label_decisions.sqlite"
NO_FOLDER = "decisions of labels are not kept: set STORELOOP_SERVE_PRICING to a folder and start the service again"
NO_BOX = (
    "no box may tell of its labels: give STORELOOP_SERVE_BOXES as name:token pairs and start the service again; boxes keep what "
    "they have to tell"
)


class LabelDesk:
    """Behind `/decisions` and `/decisions_told`. A disk is waited for in a thread of its own."""

    def __init__(self, settings: ServeSettings, metrics: ServiceMetrics, *, clock: Callable[[], float]) -> None:
        """ValueError for a token too short, or one that two have."""
        secrets: dict[Role, str] = {
            "box": settings.boxes.get_secret_value(),
            "approver": settings.approvers.get_secret_value(),
            "viewer": settings.viewers.get_secret_value(),
            "proposer": settings.proposers.get_secret_value(),
        }
        self._tokens, self._any_box, self._metrics = Tokens(secrets), bool(secrets["box"].strip()), metrics
        folder = settings.pricing
        self._kept = (
            None if folder is None or not self._any_box else LabelDecisions(folder / FILE, clock=clock)
        )  # a service that no box tells anything makes no file
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labels")

    def close(self) -> None:
        """Finish what was begun."""
        self._pool.shutdown(wait=True)

    async def take(self, request: DecisionsRequest, authorization: str) -> bytes:
        """Reply (JSON of `DecisionsReply`) once all is on the disk; `authorization`: the header. Refusal 503 where nothing is kept
        or the disk refuses, 401 without a known token, 403 with one that is no box's."""
        kept = self._open()
        box = self._who(authorization)
        if box.role != "box":
            raise Refusal(403, f"{box.name} is no box: decisions of labels come with a token of STORELOOP_SERVE_BOXES")
        taken = await self._on_disk(lambda: kept.take(request.decisions, box=box.name))
        self._metrics.label_decisions(taken.new, conflicts=len(taken.conflicts))
        if taken.conflicts:
            logger.warning("%s gave other decisions under known ids: %s", box.name, ", ".join(taken.conflicts[:10]))
        return to_json({"kept": taken.kept, "conflicts": taken.conflicts})

    async def told(self, request: ToldRequest, authorization: str) -> bytes:
        """Reply (JSON of `ToldReply`), to whoever has a token. Refusal as `take`."""
        kept = self._open()
        self._who(authorization)
        after, limit = request.after, request.limit

        def read() -> Told:
            return kept.last(limit) if after is None else kept.after(after, limit)

        found = await self._on_disk(read)
        newest = max((each["place"] for each in found.decisions), default=after or 0)
        return to_json({"total": found.total, "decisions": found.decisions, "next_after": newest})

    def _open(self) -> LabelDecisions:
        if self._kept is None:
            raise Refusal(503, NO_FOLDER if self._any_box else NO_BOX)
        return self._kept

    def _who(self, authorization: str) -> Person:
        person = self._tokens.by_header(authorization)
        if person is None:
            raise Refusal(
                401, "no known token: send `Authorization: Bearer TOKEN`, which a box reads from STORELOOP_EDGE_TOKEN"
            )
        return person

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except sqlite3.Error as error:
            raise Refusal(503, f"decisions of labels cannot be kept or read now ({error}): send it again") from error
