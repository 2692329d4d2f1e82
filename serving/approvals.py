"""Proposed prices, who approved or rejected them and why: a SQLite file that survives a kill.

A proposal is pending until somebody decides, a newer one for the same item takes its place, the label's price is wanted again,
or it is too old. Decisions form a chain: each entry carries the hash of the one before it, and the file refuses to change or
remove one.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from serving.approval_schema import prepare
from serving.audit_chain import AuditChain, Decision
from serving.price_openings import remember, too_far
from serving.sqlite_file import SqliteFile

Status = Literal["pending", "approved", "rejected", "superseded", "expired"]
STATUSES: tuple[Status, ...] = ("pending", "approved", "rejected", "superseded", "expired")
KEPT_S = 7 * 86_400.0  # what nobody needs any more; decisions stay in the chain
REASON_MAX = 2_000
MOST_AT_ONCE = 100_000  # proposals of one decision
WITHDRAWN = "the last run wants the price that is on the label"
_COLUMNS = (
    "proposal_id, market, item_id, old_price, new_price, wanted, rule, gain, served_by, artifact_id, largest_change"
)
_FIELDS = _COLUMNS.count(",") + 1


class ApprovalError(ValueError):
    """A decision that cannot be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Proposal:
    """A price for an item, beside the one on its label, in the item's currency; `gain` over list price, None unknown;
    `largest_change` of a day, None where no rule says one or it gave way to another rule."""

    proposal_id: str
    market: str
    item_id: str
    old_price: float
    new_price: float
    wanted: float
    rule: str
    gain: float | None
    served_by: str
    artifact_id: str
    largest_change: float | None = None


@dataclass(frozen=True)
class Unmoved:
    """An item of a run whose `price`, on its label, is the one wanted."""

    market: str
    item_id: str
    price: float


@dataclass(frozen=True)
class Kept:
    """A proposal and what became of it; moments are seconds since 1970, UTC."""

    proposal: Proposal
    made_s: float
    status: Status
    decided_s: float | None
    decided_by: str | None
    reason: str | None
    follower: str | None


@dataclass(frozen=True)
class Filter:
    """Which proposals are looked at; empty: any."""

    status: Status = "pending"
    market: str = ""
    rule: str = ""
    search: str = ""


@dataclass(frozen=True)
class Decided:
    """What became of a decision on several proposals: `done`, `known` (so decided before), `conflicts` in sentences."""

    done: tuple[str, ...]
    known: tuple[str, ...]
    conflicts: tuple[str, ...]


class Approvals(SqliteFile):
    """The file. Thread-safe; processes may share it. `clock` gives seconds since 1970, injected so that tests need not wait."""

    def __init__(self, file: Path, *, proposal_s: float, approved_s: float, clock: Callable[[], float]) -> None:
        """proposal_s: a proposal may be approved so long; approved_s: an approved price is served so long."""
        super().__init__(file, prepare)
        self._clock = clock
        self._proposal_s, self._approved_s = proposal_s, approved_s
        self.audit = AuditChain(self._connection)

    def propose(self, proposals: Sequence[Proposal], unmoved: Sequence[Unmoved] = (), *, once: str = "") -> int:
        """Keep those that are new, all or none, in place of older ones for the same items; how many were new.

        One that is known waits again if nobody decided on it before it was too old or another took its place. What waits for
        an `unmoved` item is withdrawn. A run named by `once` is kept once: nothing happens when it comes again.
        """
        with self._writing() as connection:
            now = self._clock()  # under the lock: no page was shown since that lacks these
            self._expire(connection, now)
            self._forget(connection, now)
            if once and not connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?)", (once, now)).rowcount:
                return 0
            remember(connection, ((each.market, each.item_id, each.old_price) for each in proposals), now)
            remember(connection, ((each.market, each.item_id, each.price) for each in unmoved), now)
            new = sum(self._keep(connection, each, now) for each in proposals)
            for stays in unmoved:
                self._withdraw(connection, stays, now)
        return new

    def knows(self, run: str) -> bool:
        """Whether a run of this name was kept."""
        return self._connection().execute("SELECT 1 FROM runs WHERE run = ?", (run,)).fetchone() is not None

    def approve(self, ids: Sequence[str], *, who: str, reason: str = "") -> Decided:
        """Let these prices go live; approved before: nothing happens. ApprovalError for a reason too long."""
        return self._decide(ids, "approved", who, reason)

    def reject(self, ids: Sequence[str], *, who: str, reason: str) -> Decided:
        """Let these prices never go live. ApprovalError without a reason."""
        if not reason.strip():
            raise ApprovalError("a rejection needs a reason: say what is wrong with the price")
        return self._decide(ids, "rejected", who, reason)

    def in_force(self, market: str, item_ids: Sequence[str]) -> Mapping[str, tuple[str, float]]:
        """Of these items, the last approved price that has not expired: item_id -> (proposal_id, price)."""
        since, connection, found = self._clock() - self._approved_s, self._connection(), {}
        for item_id in item_ids:
            row = connection.execute(
                "SELECT proposal_id, new_price FROM proposals WHERE market = ? AND item_id = ? AND status = 'approved' "
                "AND decided_s > ? ORDER BY decided_s DESC LIMIT 1",
                (market, item_id, since),
            ).fetchone()
            if row is not None:
                found[item_id] = (row[0], row[1])
        return found

    def listed(self, wanted: Filter, *, first: int, count: int) -> tuple[list[Kept], int]:
        """Up to `count` proposals from number `first` on, the highest gain first, and how many there are."""
        with self._writing() as connection:
            self._expire(connection, self._clock())
        where, values = _where(wanted)
        connection = self._connection()
        (total,) = connection.execute(f"SELECT count(*) FROM proposals WHERE {where}", values).fetchone()  # noqa: S608
        rows = connection.execute(
            f"SELECT {_COLUMNS}, made_s, status, decided_s, decided_by, reason, follower FROM proposals WHERE {where} "  # noqa: S608
            "ORDER BY gain DESC NULLS LAST, proposal_id LIMIT ? OFFSET ?",
            (*values, count, first),
        ).fetchall()
        return [Kept(Proposal(*row[:_FIELDS]), *row[_FIELDS:]) for row in rows], total

    def every(self, wanted: Filter, *, until_s: float) -> list[str]:
        """Ids of all proposals of a view that were made until a moment: what somebody has seen, not what came since."""
        where, values = _where(wanted)
        rows = self._connection().execute(
            f"SELECT proposal_id FROM proposals WHERE {where} AND made_s <= ? ORDER BY proposal_id LIMIT ?",  # noqa: S608
            (*values, until_s, MOST_AT_ONCE),
        )
        return [row[0] for row in rows]

    def now(self) -> float:
        """Seconds since 1970 by the clock of the file."""
        return self._clock()

    def counts(self) -> Mapping[str, int]:
        """How many proposals have each status."""
        told = dict(self._connection().execute("SELECT status, count(*) FROM proposals GROUP BY status").fetchall())
        return {status: told.get(status, 0) for status in STATUSES}

    def choices(self, column: Literal["market", "rule"]) -> list[str]:
        """What can be filtered by."""
        rows = self._connection().execute(f"SELECT DISTINCT {column} FROM proposals ORDER BY 1 LIMIT 1000")  # noqa: S608
        return [row[0] for row in rows]

    @staticmethod
    def _keep(connection: sqlite3.Connection, proposal: Proposal, now: float) -> int:
        """1 where it waits now and did not before."""
        added = connection.execute(
            f"INSERT INTO proposals ({_COLUMNS}, made_s, status) VALUES "  # noqa: S608 (our own names)
            "(:proposal_id, :market, :item_id, :old_price, :new_price, :wanted, :rule, :gain, :served_by, :artifact_id, "
            ":largest_change, :made_s, 'pending') ON CONFLICT (proposal_id) DO UPDATE SET status = 'pending', "
            "made_s = :made_s, follower = NULL, reason = NULL WHERE status IN ('superseded', 'expired')",
            {**asdict(proposal), "made_s": now},
        ).rowcount
        if added:
            connection.execute(
                "UPDATE proposals SET status = 'superseded', follower = ? WHERE market = ? AND item_id = ? AND "
                "status = 'pending' AND proposal_id <> ?",
                (proposal.proposal_id, proposal.market, proposal.item_id, proposal.proposal_id),
            )
        return added

    def _withdraw(self, connection: sqlite3.Connection, item: Unmoved, now: float) -> None:
        """What waits for an item whose reason is gone, into the chain with it."""
        for proposal_id, old, new in connection.execute(
            "UPDATE proposals SET status = 'superseded', follower = NULL, reason = ? WHERE market = ? AND item_id = ? AND "
            "status = 'pending' RETURNING proposal_id, old_price, new_price",
            (WITHDRAWN, item.market, item.item_id),
        ).fetchall():
            told = (proposal_id, item.market, item.item_id, old, new)
            self.audit.add(connection, Decision(now, "pricing", "withdrawn", *told, WITHDRAWN))

    def _decide(self, ids: Sequence[str], verdict: Literal["approved", "rejected"], who: str, reason: str) -> Decided:
        if not who.strip() or len(reason) > REASON_MAX:
            raise ApprovalError(
                f"who decides must have a name, and a reason at most {REASON_MAX} characters: shorten it"
            )
        done, known, conflicts = [], [], []
        with self._writing() as connection:
            now = self._clock()
            self._expire(connection, now)
            for proposal_id in dict.fromkeys(ids):
                row = connection.execute(
                    "SELECT status, decided_by, follower, market, item_id, old_price, new_price, largest_change FROM proposals "
                    "WHERE proposal_id = ?",
                    (proposal_id,),
                ).fetchone()
                if row is None:
                    conflicts.append(f"{proposal_id[:40]!r}: there is no such proposal: reprice again")
                    continue
                status, decided_by, follower, market, item_id, old_price, new_price, most = row
                far = verdict == "approved" and most is not None
                if status == verdict:
                    known.append(proposal_id)
                elif status != "pending":
                    conflicts.append(_conflict(item_id, status, decided_by, follower))
                elif far and (said := too_far(connection, market, item_id, new_price, most, now)):
                    conflicts.append(said)
                else:
                    connection.execute(
                        "UPDATE proposals SET status = ?, decided_s = ?, decided_by = ?, reason = ? WHERE proposal_id = ?",
                        (verdict, now, who, reason, proposal_id),
                    )
                    self.audit.add(
                        connection,
                        Decision(now, who, verdict, proposal_id, market, item_id, old_price, new_price, reason),
                    )
                    done.append(proposal_id)
        return Decided(tuple(done), tuple(known), tuple(conflicts))

    def _expire(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(
            "UPDATE proposals SET status = 'expired' WHERE status = 'pending' AND made_s <= ?",
            (now - self._proposal_s,),
        )

    def _forget(self, connection: sqlite3.Connection, now: float) -> None:
        """What is so old that nobody asks any more; an approved price is kept while it is served."""
        connection.execute(
            "DELETE FROM proposals WHERE made_s <= ? AND (status <> 'approved' OR decided_s <= ?)",
            (now - max(KEPT_S, self._proposal_s), now - max(KEPT_S, self._approved_s)),
        )


def _conflict(item_id: str, status: Status, decided_by: str | None, follower: str | None) -> str:
    told = {
        "superseded": f"a newer proposal ({follower[:8]}) took its place: decide on that one"
        if follower
        else f"{WITHDRAWN}: there is nothing to decide",
        "expired": "it is too old: reprice again",
        "approved": f"{decided_by} approved it already: reject the next one, or let it expire",
        "rejected": f"{decided_by} rejected it already: reprice again",
    }
    return f"{item_id}: stale, {told.get(status, status)}"


def _where(wanted: Filter) -> tuple[str, tuple[str, ...]]:
    parts = ["status = ?"]
    values: list[str] = [wanted.status]
    for column, value in (("market", wanted.market), ("rule", wanted.rule)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if wanted.search:
        parts.append("instr(lower(item_id), lower(?)) > 0")
        values.append(wanted.search)
    return " AND ".join(parts), tuple(values)
