"""From raw to clean: tag every row, let the gate judge, set aside what broke a rule, pass on the rest; day by day.

Only days are judged whose inputs changed (see `orchestration.day_inputs`), in blocks that bound memory, all in one run.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.catalogue import SPECS
from orchestration.clean_writer import clean_writer
from orchestration.day_inputs import WHOLE, DayInputs, day_inputs, references, source_facts
from orchestration.fingerprints import Stamp
from orchestration.ingest import TableOutcome, made_days
from orchestration.judged import JudgedDays
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.contracts import Contract
    from data_checks.decisions import Decisions
    from data_checks.gate_result import Verdict
    from data_checks.gate_tallies import Tallies

BLOCK_ROWS = 2_000_000  # raw rows tagged and judged at once: what bounds the memory of a backfill
DELIVERY_ROWS = 200  # new rows that are judged by themselves too; in fewer, one bad row is a large share
SAMPLE_ROWS = 10_000  # failing rows of a block that the report of a run may draw its examples from


def clean_table(workspace: Workspace, table: str, *, run_id: str, force: Collection[str] = ()) -> TableOutcome:
    """Judge the changed days of `raw/<table>`; when the table passes, they replace those of `clean/<table>`.

    When it does not, the clean table of the last run that passed stays, and the check stops what lies downstream. The
    steward's decisions are part of the inputs: a release makes the next run judge those days again. Of a table cut by days
    the days in `force` are judged whatever they are made from.
    """
    from data_checks.contracts import SHOP_TABLES, load_contract

    lake, contract = workspace.lake, load_contract(table)
    told = table in SHOP_TABLES and lake.version("raw", table)
    if table not in workspace.source.tables and not (told and told.rows):
        lake.write("clean", table, contract.empty(), fingerprint="absent")
        return TableOutcome(True, {"provided": False, "rows": 0}, {"note": "this source has no such table"})
    decisions = workspace.quarantine.decisions(table)
    inputs = day_inputs(workspace, table, contract, decisions)
    work = _Work(workspace, table, contract, decisions, inputs)
    open_days, gone = work.open_days(force), work.gone_days()
    version, runs = lake.version("clean", table), workspace.history.runs(table)
    # A batch refused since then is what quarantine and site show: to go back means to judge again.
    if version is not None and not open_days and not gone and runs and runs[-1].success:
        counts = runs[-1].counts
        metadata = {**counts, "rows": version.rows, "content_hash": version.content_hash, "unchanged": True}
        return TableOutcome(True, metadata | work.day_facts(()), last_check(workspace, table))
    return work.judge_and_write(open_days, gone, run_id)


@dataclass(frozen=True)
class _Work:
    """One table in one run."""

    workspace: Workspace
    table: str
    contract: "Contract"
    decisions: "Decisions"
    inputs: DayInputs

    @property
    def partition_by(self) -> str | None:
        return SPECS[self.table].partition_by

    def judged(self) -> JudgedDays:
        """What quarantine, history and site last heard of each day, whether it passed or not."""
        return JudgedDays(self.workspace.root / "judged" / f"{self.table}.parquet")

    def delivered(self) -> Stamp:
        """The raw rows behind the days that passed."""
        return Stamp(self.workspace.root / "judged" / f"{self.table}.json")

    def open_days(self, force: Collection[str]) -> list[str]:
        """Days whose inputs are others than when they were last judged, or last written, and those in `force`."""
        judged, written, forced = self.judged().made_from, self._written(), frozenset(force)
        made_from = self.inputs.made_from
        return sorted(
            d for d, said in made_from.items() if d in forced or judged.get(d) != said or written.get(d) != said
        )

    def gone_days(self) -> list[str]:
        """Days that the source no longer has."""
        return sorted((self.judged().made_from.keys() | self._written().keys()) - self.inputs.made_from.keys())

    def day_facts(self, open_days: Collection[str]) -> dict[str, Any]:
        """How many days there are and which were made now, for the UI."""
        if self.partition_by is None:
            return {}
        days = sorted(open_days)
        shown = ", ".join(days) if len(days) <= 10 else f"{days[0]} ... {days[-1]}"
        return {"days": len(self.inputs.made_from), "days_made": len(days)} | ({"made": shown} if days else {})

    def judge_and_write(self, open_days: list[str], gone: list[str], run_id: str) -> TableOutcome:
        """Judge the open days in blocks; write them when the whole table, and what was delivered anew, pass."""
        from data_checks.docs_site import build_site
        from data_checks.gate import failing_rows
        from data_checks.gate_tallies import Tallies
        from orchestration.aside import later

        workspace, judged = self.workspace, self.judged()
        judged.forget([*open_days, *gone])
        none = failing_rows(self.contract)
        if gone:
            workspace.quarantine.write_days(self.table, none, column=self.partition_by, days=gone)
        fresh, notes, samples = Tallies(), dict[str, str](), [none]
        with clean_writer(workspace.lake, self.contract, self.inputs.made_from) as writer:
            for block in self._blocks(open_days):
                found = self._assess(block)
                fresh, notes = fresh.joined(found.tallies), {**notes, **found.notes}
                samples.append(found.failing.slice(0, SAMPLE_ROWS))
                workspace.quarantine.write_days(self.table, found.failing, column=self.partition_by, days=block)
                writer.put(found.good, {day: self.inputs.made_from[day] for day in block})
            judged.record({day: self.inputs.made_from[day] for day in open_days}, fresh)
            verdict = self._verdict(judged.tallies, samples, notes)
            workspace.history.record(verdict, run_id=run_id)
            metadata: dict[str, Any] = {**verdict.counts, "unchanged": False, **self.day_facts(open_days)}
            made: dict[str, int] = {}
            if verdict.success:
                version = writer.commit()
                made = made_days(version, open_days) if self.partition_by else {}
                self.delivered().write("", self.inputs.raw)
                metadata |= {"rows": version.rows, "content_hash": version.content_hash}
        later(build_site, workspace.site, history=workspace.history, quarantine=workspace.quarantine, judged=self.table)
        return TableOutcome(verdict.success, metadata, last_check(workspace, self.table), made)

    def _verdict(self, tallies: "Tallies", samples: "list[pa.Table]", notes: dict[str, str]) -> "Verdict":
        """On the whole table; where that passes and rows were delivered since the last time it did, on those days alone.

        A bad day must not hide behind years of good ones.
        """
        import pyarrow as pa

        from data_checks.gate import conclude
        from orchestration.aside import call

        failing = pa.concat_tables(samples, promote_options="default")
        whole = call(conclude, self.contract, tallies, failing=failing, notes=notes)
        before = self.delivered().facts()
        anew = [day for day, digest in self.inputs.raw.items() if before.get(day) != digest]
        if not whole.success or not before or not anew or len(anew) == len(self.inputs.raw):
            return whole
        delivery = tallies.of(anew)
        facts = delivery.facts(self.contract, notes)
        if delivery.counts()["in"] < DELIVERY_ROWS or not any(f.failing_fraction > f.tolerated_fraction for f in facts):
            return whole
        return call(conclude, self.contract, delivery, failing=failing, notes=notes)

    def _assess(self, block: list[str]) -> Any:
        """The gate's findings on some days."""
        import ibis
        import pyarrow as pa
        import pyarrow.compute as pc

        from data_checks.gate import assess

        con, lake = self.workspace.connect(), self.workspace.lake
        days = None if self.partition_by is None else block
        raw = lake.read("raw", self.table, con, days=days)
        elsewhere = None
        if self.inputs.repeated is not None and self.inputs.repeated.num_rows:
            elsewhere = ibis.memtable(self.inputs.repeated.select(list(self.contract.primary_key)))
        matches = self.inputs.matches
        if matches is not None and days is not None:
            inside = [pc.is_in(matches[name].cast("string"), pa.array(block)) for name in ("sold_on", "returned_on")]
            matches = matches.filter(pc.or_(*inside))
        tagged = _repair_texts(self._tag(raw, matches), raw, self.contract)
        return assess(
            tagged,
            self.contract,
            references={name: lake.read("clean", name, con) for name in references(self.workspace, self.table)},
            decisions=self.decisions,
            con=con,
            day=self.partition_by,
            repeated_elsewhere=elsewhere,
        )

    def _tag(self, raw: Any, matches: "pa.Table | None") -> Any:
        facts = source_facts(self.workspace, self.table)
        if self.table == "transactions":
            import ibis

            from features.cleaning_transactions import TransactionRules, tag_transactions

            return tag_transactions(raw, self.contract, rules=TransactionRules(**facts), matched=ibis.memtable(matches))
        if self.table == "sales":
            from features.cleaning_sales import tag_sales

            return tag_sales(raw, self.contract, **facts)
        from features.cleaning import tag_dated, tag_table

        spec = SPECS[self.table]
        if spec.partition_by is None or spec.partition_by == spec.dated_by:
            return tag_table(raw, self.contract)
        return tag_dated(raw, self.contract, day=spec.partition_by, of=str(spec.dated_by))

    def _blocks(self, open_days: list[str]) -> Iterator[list[str]]:
        """The open days in order, cut into blocks of at most BLOCK_ROWS raw rows (a day is never cut)."""
        version = self.workspace.lake.version("raw", self.table)
        rows = version.partitions if version else {}
        block: list[str] = []
        held = 0
        for day in open_days:
            if block and held + rows.get(day, 0) > BLOCK_ROWS:
                yield block
                block, held = [], 0
            block.append(day)
            held += rows.get(day, 0)
        if block:
            yield block

    def _written(self) -> dict[str, str]:
        version = self.workspace.lake.version("clean", self.table)
        if version is None:
            return {}
        if self.partition_by is None:
            return {WHOLE: version.fingerprint}
        return {file.day: file.made_from for file in version.files if file.day}


def last_check(workspace: Workspace, table: str) -> dict[str, Any]:
    """What the newest judgement of a table says in the UI: figures, the page to read, and what stops it."""
    last = workspace.history.runs(table)[-1]
    facts: dict[str, Any] = {
        "rules": len(last.facts),
        "rows judged": last.counts["in"],
        "rows failing": sum(fact.failing for fact in last.facts),
        "page": str(workspace.site / f"table-{table}.html"),
    }
    broken = [
        f"{fact.rule_id}: {fact.failing} of {fact.rows} rows fail ({fact.failing_fraction:.2%}), "
        f"{fact.tolerated_fraction:.2%} are tolerated"
        for fact in last.facts
        if fact.failing_fraction > fact.tolerated_fraction
    ]
    if broken:
        remedy = f"read `storeloop quarantine show {table}`, then release or reject the rows, or mend the source"
        facts |= {"broken": broken, "remedy": remedy}
    return facts


def _repair_texts(tagged: Any, raw: Any, contract: "Contract") -> Any:
    """Mends wrong encodings in every column whose contract forbids them."""
    from features.cleaning import cast_value
    from features.cleaning_text import encoding_repairs, repair_column, suspicious_texts

    judged = {rule.column for rule in contract.rules if rule.kind == "pattern"}
    for column in [name for name in contract.column_names if name in judged and name in raw.columns]:
        # Of the raw table: to ask the tagged one would do the whole cleaning once more.
        texts = suspicious_texts(cast_value(raw[column], "str")).to_pyarrow()["text"].to_pylist()
        tagged = repair_column(tagged, column, encoding_repairs(texts))
    return tagged
