"""Rows that broke their contract, kept with their reasons until a steward releases or rejects them.

Beside rows that are held back it lists those that only count as failing (copies, repaired rows); `held` tells which.

Layout under `<root>/quarantine/<table>/`: `rows/<batch>.parquet` are the rows that the last run of each batch held
back, `history/*.parquet` those that have left since, `decisions.jsonl` is the log of the stewards, which only grows.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_checks.decisions import VERDICTS, Decision, Decisions, Scope, Verdict, VerdictsInForce
from data_checks.durable import append_entry, locked, read_entries, replace_file
from data_checks.lake_files import UNDATED
from data_checks.quarantine_files import REQUIRED_COLUMNS, read_all, read_rows, row_files

Status = Literal["open", "released", "rejected", "gone"]
STATUSES: tuple[Status, ...] = ("open", "released", "rejected", "gone")
LONGEST_NAME, LONGEST_REASON = 200, 2_000
WHOLE = "all"  # the batch of a table that is judged whole
_DAY = "_day"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_=.-]{0,99}")


class QuarantineError(ValueError):
    """A request the quarantine refuses; the message names the value, what is known and the remedy."""


@dataclass(frozen=True)
class TableSummary:
    """Rows of one table by status, how many of the open ones are held back, and what is undecided by rule."""

    table: str
    rows: dict[str, int]
    held: int
    open_by_rule: dict[str, int]
    decisions: int


class Quarantine:
    """The quarantine of all tables under `root`. Safe for several processes; reading never waits."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "quarantine"

    def write(self, table: str, batch: str, rows: pa.Table) -> None:
        """Replace what `batch` of `table` holds by `rows` in one step; rows no longer among them become history.

        `batch` names the slice of the table that a run judges whole ("all", or a day), not the run: the same input
        leaves the same files. `rows` is `GateResult.failing`: `_row_key` (unique), `rules` list of rule ids, `raw` (row
        as JSON), `held` (kept out of the clean table), and any columns as text. Raises QuarantineError for a missing
        column, a repeated key or an unusable name.
        """
        for what, name in (("table", table), ("batch", batch)):
            if not _NAME.fullmatch(name):
                raise QuarantineError(f"{what} name {name!r}: use 1 to 100 letters, digits, '_', '-', '=' or '.'")
        if missing := [name for name in REQUIRED_COLUMNS if name not in rows.column_names]:
            raise QuarantineError(f"quarantined rows of {table!r} lack {missing}; they need {list(REQUIRED_COLUMNS)}")
        schema = pa.schema([(name, REQUIRED_COLUMNS.get(name, pa.string())) for name in rows.column_names])
        rows = rows.cast(schema).sort_by("_row_key")
        repeated = rows.num_rows - pc.count_distinct(rows["_row_key"]).as_py()
        if repeated:
            raise QuarantineError(f"{repeated} row keys of {table!r} occur twice: number equal rows in their keys")
        folder = self.folder / table
        current = folder / "rows" / f"{batch}.parquet"
        with locked(folder):
            if current.exists():
                before = read_rows(current)
                if before.equals(rows):
                    return
                # History first: a kill in between leaves rows in both places, and readers prefer the current ones.
                self._keep(folder, before.filter(pc.invert(pc.is_in(before["_row_key"], rows["_row_key"]))))
            replace_file(current, lambda draft: pq.write_table(rows, draft, compression="zstd"))

    def write_days(self, table: str, rows: pa.Table, *, column: str | None, days: Collection[str]) -> None:
        """Replace what `days` (ISO days, or `undated` for none) of a table hold by `rows`, as `write` does.

        `column` is the column of `rows` that tells the day; None for a table judged whole. Months are batches.
        """
        if column is None:
            self.write(table, WHOLE, rows)
            return
        fresh = rows.append_column(_DAY, pc.fill_null(rows[column], UNDATED))
        folder = self.folder / table / "rows"
        for month in sorted({day[:7] for day in days}):
            mine = fresh.filter(pc.starts_with(fresh[_DAY], month)).drop_columns([_DAY])
            path = folder / f"{month}.parquet"
            if path.exists():
                before = read_rows(path)
                of_days = pc.is_in(pc.fill_null(before[column], UNDATED), pa.array(list(days), pa.string()))
                mine = pa.concat_tables([before.filter(pc.invert(of_days)), mine], promote_options="default")
            if path.exists() or mine.num_rows or not folder.is_dir():
                self.write(table, month, mine)

    def texts_of(self, table: str, column: str) -> dict[str, str | None]:
        """Row key -> text of one column, of every row that is or was in the quarantine of `table`."""
        stored = self._stored(table)
        return {
            key: text
            for rows in reversed(stored)
            if column in rows.column_names
            for key, text in zip(rows["_row_key"].to_pylist(), rows[column].to_pylist(), strict=True)
        }

    def tables(self) -> tuple[str, ...]:
        """Names of all tables that ever had a run."""
        return tuple(sorted(path.name for path in self.folder.glob("*") if (path / "rows").is_dir()))

    def rows(self, table: str, *, status: Status | None = None, rule: str | None = None) -> pa.Table:
        """All rows that ever failed, current ones first, each with its `status`; of one rule or status if given."""
        if status is not None and status not in STATUSES:
            raise QuarantineError(f"status {status!r}: use one of {', '.join(STATUSES)}")
        rows = self._with_status(table, VerdictsInForce(self.log(table)))
        if rule is not None:
            rows = breaking(rows, rule)
        return rows if status is None else rows.filter(pc.equal(rows["status"], status))

    def summary(self, table: str) -> TableSummary:
        """Counts of one table."""
        log = self.log(table)
        in_force = VerdictsInForce(log)
        rows = self._with_status(table, in_force).select(["_row_key", "rules", "held", "status"])
        counts = Counter(rows["status"].to_pylist())
        is_open = rows.filter(pc.equal(rows["status"], "open"))
        broken = is_open["rules"].combine_chunks()
        undecided = pc.list_flatten(broken).to_pylist()
        if log:
            keys = is_open["_row_key"].take(pc.list_parent_indices(broken)).to_pylist()
            undecided = [rule for key, rule in zip(keys, undecided, strict=True) if rule not in in_force.of(key)]
        return TableSummary(
            table=table,
            rows={status: counts[status] for status in STATUSES},
            held=is_open["held"].to_pylist().count(True),
            open_by_rule=dict(sorted(Counter(undecided).items())),
            decisions=len(log),
        )

    def held_back(self, table: str) -> int:
        """How many rows are kept out of the clean table now."""
        if self.log(table):
            return self.summary(table).held
        held = [read_rows(path, ["held"]) for path in row_files(self._known(table) / "rows")]
        return sum(part["held"].to_pylist().count(True) for part in held)

    def summaries(self) -> tuple[TableSummary, ...]:
        """Counts of every table."""
        return tuple(self.summary(table) for table in self.tables())

    def log(self, table: str) -> tuple[Decision, ...]:
        """Every decision ever made on `table`, oldest first."""
        self._known(table)
        entries = read_entries(self.folder / table / "decisions.jsonl")
        return tuple(Decision.from_entry(entry) for entry in entries)

    def decisions(self, table: str) -> Decisions:
        """The verdicts in force, as the gate takes them; none for a table without a quarantine."""
        if table not in self.tables():
            return Decisions()
        return VerdictsInForce(self.log(table)).to_decisions()

    def decide(
        self,
        table: str,
        *,
        verdict: Verdict,
        reason: str,
        who: str,
        row_keys: Sequence[str] | None = None,
        rule: str | None = None,
        every_row: bool = False,
        when: datetime | None = None,
    ) -> Decision:
        """Record a verdict on rows by key, on what one rule holds back, or on every row; it is on disk on return.

        A rule or `every_row` reaches the rows held back now and those decided earlier, not rows that come later. A
        later decision overrules an earlier one. Raises QuarantineError for an empty name or reason, an unknown table,
        row key or rule, and where there is nothing to decide on.
        """
        who, reason = who.strip(), reason.strip()
        if verdict not in VERDICTS:
            raise QuarantineError(f"verdict {verdict!r}: use {' or '.join(VERDICTS)}")
        _check_words("name", who, LONGEST_NAME, "say who decides, it goes into the log")
        _check_words("reason", reason, LONGEST_REASON, "say why, the next steward will ask")
        if (row_keys is not None) + (rule is not None) + every_row != 1:
            raise QuarantineError("say which rows: either row keys, or one rule, or all")
        scope: Scope = "rows" if row_keys is not None else "rule" if rule is not None else "all"
        moment = (when or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._known(table)
        with locked(self.folder / table):
            log = self.log(table)
            in_force = VerdictsInForce(log)
            chosen = self._chosen(table, self._with_status(table, in_force), row_keys, rule)
            targets = _targets(chosen, in_force, rule)
            opposite = "reject" if verdict == "release" else "release"
            decision = Decision(
                decision_id=f"{table}-{len(log) + 1}",
                table=table,
                when=moment,
                who=who,
                verdict=verdict,
                reason=reason,
                scope=scope,
                rule=rule,
                rows=sum(len(keys) for _, keys in targets),
                overrules=sum(
                    in_force.of(key).get(name) == opposite for names, keys in targets for key in keys for name in names
                ),
                targets=targets,
            )
            append_entry(self.folder / table / "decisions.jsonl", decision.entry())
        return decision

    def _chosen(self, table: str, rows: pa.Table, row_keys: Sequence[str] | None, rule: str | None) -> pa.Table:
        if row_keys is not None:
            if not row_keys:
                raise QuarantineError(f"no row of {table!r} was named: give at least one row key")
            chosen = rows.filter(pc.is_in(rows["_row_key"], pa.array(list(row_keys), pa.string())))
            if unknown := sorted(set(row_keys) - set(chosen["_row_key"].to_pylist())):
                known = ", ".join(rows["_row_key"].slice(0, 3).to_pylist())
                raise QuarantineError(
                    f"{len(unknown)} row keys are not in the quarantine of {table!r}, first {unknown[0]!r}; "
                    f"it holds {rows.num_rows} rows, such as {known or 'none'}"
                )
        else:
            chosen = rows.filter(pc.not_equal(rows["status"], "gone"))
            if rule is not None:
                chosen = breaking(chosen, rule)
        if not chosen.num_rows:
            raise QuarantineError(f"the quarantine of {table!r} holds no row to decide on")
        return chosen

    def _with_status(self, table: str, in_force: VerdictsInForce) -> pa.Table:
        current, history = self._stored(table)
        stored = [current, history]
        if not in_force:
            undecided = ["open"] * current.num_rows + ["gone"] * history.num_rows
            joined = pa.concat_tables(stored, promote_options="default")
            return joined.append_column("status", pa.array(undecided, pa.string()))
        status = [
            in_force.row_status(key, rules, is_current=rows is current)
            for rows in stored
            for key, rules in zip(rows["_row_key"].to_pylist(), rows["rules"].to_pylist(), strict=True)
        ]
        # A contract may have gained or lost a column between two runs: absent ones are null.
        joined = pa.concat_tables(stored, promote_options="default")
        return joined.append_column("status", pa.array(status, pa.string()))

    def _stored(self, table: str) -> tuple[pa.Table, pa.Table]:
        folder = self._known(table)
        current = read_all(folder / "rows")
        history = read_all(folder / "history")
        # One row may have left and come back several times: its last state is the one to show.
        history = history.filter(pc.invert(pc.is_in(history["_row_key"], current["_row_key"])))
        keys = history["_row_key"].to_pylist()
        last = sorted({key: position for position, key in enumerate(keys)}.values())
        return current, history.take(pa.array(last, pa.int64()))

    def _keep(self, folder: Path, left: pa.Table) -> None:
        if not left.num_rows:
            return
        kept = sorted((folder / "history").glob("*.parquet"))
        content = hashlib.sha256("\n".join(left["_row_key"].to_pylist()).encode()).hexdigest()[:16]
        path = folder / "history" / f"{len(kept):06d}-{content}.parquet"
        replace_file(path, lambda draft: pq.write_table(left, draft, compression="zstd"))

    def _known(self, table: str) -> Path:
        known = self.tables()
        if table not in known:
            raise QuarantineError(f"no table {table!r} in the quarantine; known: {', '.join(known) or 'none yet'}")
        return self.folder / table


def breaking(rows: pa.Table, rule: str) -> pa.Table:
    """Those of some `rows` that break `rule`. Raises QuarantineError where none does, naming the rules broken there."""
    rules = rows["rules"].combine_chunks()
    parents = pc.list_parent_indices(rules)
    flat = pc.list_flatten(rules)
    found = pc.unique(parents.filter(pc.equal(flat, rule)))
    if not len(found):
        known = ", ".join(sorted(set(flat.to_pylist()))) or "none"
        raise QuarantineError(f"no such row breaks rule {rule!r}; rules broken here: {known}")
    return rows.take(found)


def _targets(
    chosen: pa.Table, in_force: VerdictsInForce, rule: str | None
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Rows grouped by the rules that a decision is about: one rule, or all that a row breaks or was decided on."""
    groups: dict[tuple[str, ...], dict[str, None]] = {}
    for key, rules in zip(chosen["_row_key"].to_pylist(), chosen["rules"].to_pylist(), strict=True):
        # A rejected row may break nothing any more: to release it, the old verdicts must be overruled too.
        names = (rule,) if rule is not None else tuple(dict.fromkeys([*rules, *in_force.of(key)]))
        groups.setdefault(names, {})[key] = None
    return tuple((names, tuple(keys)) for names, keys in sorted(groups.items()))


def _check_words(what: str, words: str, longest: int, remedy: str) -> None:
    if not words:
        raise QuarantineError(f"the {what} is empty: {remedy}")
    if len(words) > longest:
        raise QuarantineError(f"the {what} has {len(words):,} characters: use at most {longest:,}")
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise QuarantineError(f"the {what} {words!r} is no valid text: type it again in UTF-8") from error
