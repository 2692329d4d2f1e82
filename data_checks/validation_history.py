"""What the gate found, run by run: a journal that only grows, and the full result of each run beside it.

Layout under `<root>/validation/<table>/`: `runs.jsonl` has one short line a run (verdict, counts, facts per rule),
`results/<run_id>.json` the Great Expectations result and a sample of failing rows.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_checks.durable import append_entry, locked, read_entries, replace_file
from data_checks.gate_result import RuleFact, Verdict

SAMPLE_PER_RULE = 5
SAMPLE_ROWS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_=.-]{0,99}")


def severity(fact: RuleFact) -> float:
    """Failing share as a multiple of the tolerance; infinite where nothing is tolerated and something fails."""
    if not fact.failing:
        return 0.0
    return fact.failing_fraction / fact.tolerated_fraction if fact.tolerated_fraction else float("inf")


@dataclass(frozen=True)
class RecordedRun:
    """One judgement of one table. `counts` are rows by fate, `in` first; `when` is UTC, ISO 8601."""

    table: str
    run_id: str
    when: str
    success: bool
    counts: Mapping[str, int]
    facts: tuple[RuleFact, ...]

    @property
    def held_back_fraction(self) -> float:
        """Quarantined share of the rows that came in."""
        rows_in = self.counts.get("in", 0)
        return self.counts.get("quarantined", 0) / rows_in if rows_in else 0.0

    @property
    def breaks_a_rule(self) -> bool:
        """Whether a rule is over its tolerance; a run may also be blocked for the table as a whole, such as no rows."""
        return any(fact.failing_fraction > fact.tolerated_fraction for fact in self.facts)

    @property
    def worst(self) -> RuleFact | None:
        """The rule that stands worst against its tolerance; None where nothing fails."""
        worst = max(self.facts, key=severity, default=None)
        return worst if worst is not None and worst.failing else None


@dataclass(frozen=True)
class RecordedResult:
    """The long part of a run: Great Expectations' result as a dict, and failing rows (`row_key`, `rules`, `raw`)."""

    validation: Mapping[str, Any]
    sample: tuple[Mapping[str, Any], ...]


class ValidationHistory:
    """The recorded runs of all tables under `root`."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "validation"

    def record(self, result: Verdict, *, run_id: str, when: datetime | None = None) -> RecordedRun:
        """Append one judgement; a run recorded twice counts once, as it was recorded last.

        A few failing rows of each rule are kept as the sample. Raises ValueError for a table or run name that cannot be
        a file's name.
        """
        for what, name in (("table", result.table), ("run_id", run_id)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{what} {name!r}: use 1 to 100 letters, digits, '_', '-', '=' or '.'")
        moment = (when or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        run = RecordedRun(result.table, run_id, moment, result.success, dict(result.counts), result.facts)
        content = {"validation": result.validation, "sample": _sample(result.failing)}
        text = json.dumps(content, ensure_ascii=False, default=str)
        folder = self.folder / result.table
        with locked(folder):
            # The long part first: whatever the journal names can be read.
            replace_file(folder / "results" / f"{run_id}.json", lambda draft: draft.write_text(text, "utf-8"))
            append_entry(folder / "runs.jsonl", asdict(run))
        return run

    def tables(self) -> tuple[str, ...]:
        """Names of all tables with a recorded run."""
        return tuple(sorted(path.parent.name for path in self.folder.glob("*/runs.jsonl")))

    def runs(self, table: str) -> tuple[RecordedRun, ...]:
        """All runs of a table, oldest first; none for a table that was never judged."""
        if table not in self.tables():
            return ()
        runs: dict[str, RecordedRun] = {}
        for entry in read_entries(self.folder / table / "runs.jsonl"):
            facts = tuple(RuleFact(**fact) for fact in entry["facts"])
            runs.pop(entry["run_id"], None)
            runs[entry["run_id"]] = RecordedRun(**{**entry, "facts": facts})
        return tuple(runs.values())

    def refusals(self) -> tuple[RecordedRun, ...]:
        """Every run of any table that the gate blocked, oldest first."""
        blocked = [run for table in self.tables() for run in self.runs(table) if not run.success]
        return tuple(sorted(blocked, key=lambda run: (run.when, run.table)))

    def result(self, run: RecordedRun) -> RecordedResult:
        """The long part of a recorded run."""
        path = self.folder / run.table / "results" / f"{run.run_id}.json"
        content = json.loads(path.read_text("utf-8"))
        return RecordedResult(content["validation"], tuple(content["sample"]))


def _sample(failing: pa.Table) -> Sequence[Mapping[str, Any]]:
    """The first rows of every rule, so that a frequent one does not crowd out a rare one."""
    taken: dict[str, int] = {}
    positions: list[int] = []
    for position, rules in enumerate(failing["rules"].to_pylist()):
        wanted = [rule for rule in rules if taken.get(rule, 0) < SAMPLE_PER_RULE]
        if wanted and len(positions) < SAMPLE_ROWS:
            positions.append(position)
            taken.update({rule: taken.get(rule, 0) + 1 for rule in rules})
    rows = failing.select(["_row_key", "rules", "raw"]).take(pa.array(positions, pa.int64())).to_pylist()
    return [{"row_key": row["_row_key"], "rules": row["rules"], "raw": row["raw"]} for row in rows]
