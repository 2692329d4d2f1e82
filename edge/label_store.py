"""What a box decided about its labels: each situation once, the newest price of each label, and what the centre must hear.

One SQLite file; a decision, the label that it moves and the duty to tell of it are one transaction.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from edge.label_situations import Shown
from edge.outbox import BATCH, Event, Name, Outbox, Send, to_service
from edge.transaction import Transaction

FILE, OUTBOX_FILE = "labels.sqlite", "decisions.sqlite"
REMEMBERED = 1_000_000  # decisions whose situation counts as known, some 400 MB: a hundred days of 10,000 labels
_TABLES = (
    "CREATE TABLE IF NOT EXISTS decisions (place INTEGER PRIMARY KEY, id TEXT UNIQUE, asked TEXT, body TEXT, handed INTEGER)",
    "CREATE INDEX IF NOT EXISTS waiting ON decisions (place) WHERE handed = 0",
    "CREATE TABLE IF NOT EXISTS labels (label TEXT PRIMARY KEY, market TEXT, good TEXT, last_good REAL, body TEXT)",
)


class PriceDecision(Event):
    """One price on one label, as the centre hears of it; `event_id` is the situation's."""

    label: Name
    market: Name
    good: Name | None = Field(default=None, description="of fresh goods, whose market is `fresh`")
    before: float = Field(gt=0)
    price: float = Field(gt=0, description="on the label")
    wanted: float = Field(gt=0, description="before the rules")
    rule: Literal["", "essential", "ceiling", "floor", "margin_floor", "largest_change"] = Field(
        description="the first that moved the price; empty for none"
    )
    yielded: tuple[Name, ...] = Field(default=(), description="rules that could not hold")
    reference: float | None = Field(description="price that a discount may be shown against")
    outside: tuple[Name, ...] = Field(
        default=(), description="variables outside the range of training: there the approved ladder answers"
    )
    served_by: Name = Field(
        description="edge:ARTIFACT, or fallback:approved_ladder, fallback:last_price or fallback:list_price"
    )
    revision: int = Field(ge=0, description="of the bundle")
    decided_at: AwareDatetime

    @property
    def shown(self) -> Shown:
        """The label and what lies on its shelf."""
        return Shown(self.label, self.market, self.good or "")

    @property
    def by_model(self) -> bool:
        """Whether the network chose it."""
        return self.served_by.startswith("edge:")


class LabelStore:
    """Decisions and labels under `home`. Writers hold the lock of `edge.labels`."""

    def __init__(self, home: Path, *, remembered: int = REMEMBERED) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._file, self._remembered = home / FILE, remembered
        self.outbox = Outbox(home, kind=PriceDecision, file=OUTBOX_FILE)
        with self._open() as connection:
            for table in _TABLES:
                connection.execute(table)

    def known(self, situations: Iterable[str]) -> dict[str, str]:
        """Digest of what was asked, of each situation that was decided."""
        with self._open() as connection:
            rows = (connection.execute("SELECT id, asked FROM decisions WHERE id = ?", (each,)) for each in situations)
            return dict(row for found in rows for row in found)

    def last_good(self, shown: Iterable[Shown]) -> dict[Shown, float]:
        """Last price that the model gave each label, as long as it shows the same market and good."""
        chosen = "SELECT last_good FROM labels WHERE label = ? AND market = ? AND good = ? AND last_good IS NOT NULL"
        with self._open() as connection:
            rows = ((each, connection.execute(chosen, each).fetchone()) for each in shown)
            return {each: found[0] for each, found in rows if found is not None}

    def record(self, decisions: Sequence[tuple[PriceDecision, str]]) -> None:
        """Keep decisions with the digests of what was asked, all or none; a situation that is known changes nothing."""
        with self._open() as connection:
            for each, asked in decisions:
                body = each.model_dump_json()
                new = connection.execute(
                    "INSERT OR IGNORE INTO decisions (id, asked, body, handed) VALUES (?, ?, ?, 0)",
                    (each.event_id, asked, body),
                ).rowcount
                if new:
                    # A fallback's price is on the label, but what the model last said of it stays what is fallen back on.
                    connection.execute(
                        "INSERT INTO labels (label, market, good, last_good, body) VALUES (?1, ?2, ?3, ?4, ?5) "
                        "ON CONFLICT (label) DO UPDATE SET body = ?5, market = ?2, good = ?3, "
                        "last_good = coalesce(?4, CASE WHEN market = ?2 AND good = ?3 THEN last_good END)",
                        (*each.shown, each.price if each.by_model else None, body),
                    )

    def hand_over(self) -> int:
        """Put what the centre must hear into the outbox, and forget what is old; how many were put there.

        A kill in between puts some there twice, which their `event_id` makes one. OutboxError when it is full.
        """
        handed = 0
        while rows := self._waiting():
            handed += self.outbox.store_all([json.loads(body) for _, body in rows])
            with self._open() as connection:
                connection.executemany(
                    "UPDATE decisions SET handed = 1 WHERE place = ?", [(place,) for place, _ in rows]
                )
        with self._open() as connection:
            connection.execute(
                "DELETE FROM decisions WHERE handed = 1 AND place <= (SELECT max(place) FROM decisions) - ?",
                (self._remembered,),
            )
        return handed

    def labels(self) -> dict[str, dict[str, Any]]:
        """The newest decision of every label, by label."""
        with self._open() as connection:
            return {label: json.loads(body) for label, body in connection.execute("SELECT label, body FROM labels")}

    def _waiting(self) -> list[tuple[int, str]]:
        with self._open() as connection:
            rows: list[tuple[int, str]] = connection.execute(
                "SELECT place, body FROM decisions WHERE handed = 0 ORDER BY place LIMIT ?", (BATCH,)
            ).fetchall()
            return rows

    def _open(self) -> Transaction:
        return Transaction(self._file)


def decisions_to(url: str, token: str) -> Send:
    """Send decisions to the pricing service at `url`: POST /decisions, `{"decisions": [...]}`; `token` is the box's."""
    return to_service(url, path="decisions", field="decisions", token=token)
