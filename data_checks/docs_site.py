"""The validation site: what the gate found, table by table, as pages that need no server, script or internet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_checks.charts import TrendPoint, sparkline, tolerance_bar, trend
from data_checks.column_types import TYPE_NAMES
from data_checks.contracts import Contract, load_contracts
from data_checks.durable import locked, replace_file
from data_checks.gate_result import RuleFact
from data_checks.page_rendering import environment, path_part, style_sheet, view_row
from data_checks.quarantine import Quarantine
from data_checks.validation_history import SAMPLE_PER_RULE, RecordedRun, ValidationHistory, severity

RECENT_RUNS = 30
_LABELS = {
    "in": "Rows in",
    "good": "Good",
    "quarantined": "Quarantined",
    "duplicates": "Duplicates",
    "matched_cancellations": "Matched cancellations",
    "non_merchandise": "Non-merchandise",
}
_PREFIXES = ("table-", "expectations-", "contract-")


def build_site(
    out: Path,
    *,
    history: ValidationHistory,
    quarantine: Quarantine,
    contracts: Mapping[str, Contract] | None = None,
    steward: str | None = None,
    judged: str | None = None,
) -> Path:
    """Write all pages into the folder `out` and return its index page; pages of tables that are no more are removed.

    `judged` is the one table that was judged since the site was last written: pages of others stay as they are.
    `steward` is the address of a running steward's page to link to; without one the pages name the command instead.
    """
    site = ValidationSite(history, quarantine, contracts, steward=steward)
    names = site.names()
    due = [name for name in names if judged is None or _moves_with(name, judged) or not (out / name).is_file()]
    pages = {**{name: site.render(name) for name in due}, "style.css": style_sheet()}
    with locked(out):
        for name, text in pages.items():
            # Most pages stay as they are from table to table of a run: each write waits for the disk.
            if not (out / name).is_file() or (out / name).read_text("utf-8") != text:
                replace_file(out / name, partial(Path.write_text, data=text, encoding="utf-8"))
        for stale in out.glob("*.html"):
            if stale.name.startswith(_PREFIXES) and stale.name not in names:
                stale.unlink()
    return out / "index.html"


def _moves_with(page: str, table: str) -> bool:
    own = {f"{kind}-{table}.html" for kind in ("table", "expectations", "contract")}
    return page in own | {"index.html", "contracts.html", f"contract-{table}_raw.html"}


@dataclass(frozen=True)
class _IndexLine:
    name: str
    title: str
    address: str
    run: RecordedRun
    set_aside: int
    open: int
    steward: str | None
    bar: str
    sparkline: str


@dataclass(frozen=True)
class _RuleLine:
    fact: RuleFact
    notable: bool
    passed: bool
    bar: str
    steward: str | None


class ValidationSite:
    """Renders the site's pages by file name, for a folder of files and for the steward's page alike."""

    def __init__(
        self,
        history: ValidationHistory,
        quarantine: Quarantine,
        contracts: Mapping[str, Contract] | None = None,
        *,
        steward: str | None = None,
    ) -> None:
        self.history = history
        self.quarantine = quarantine
        self.contracts = load_contracts() if contracts is None else contracts
        self.steward = steward

    def names(self) -> tuple[str, ...]:
        """File names of all pages."""
        tables = self.history.tables()
        return (
            "index.html",
            "contracts.html",
            *(f"table-{table}.html" for table in tables),
            *(f"expectations-{table}.html" for table in tables),
            *(f"contract-{name}.html" for name in sorted(self.contracts)),
        )

    def render(self, name: str) -> str:
        """One page as HTML. Raises KeyError for a name that is not among `names()`."""
        if name not in self.names():
            raise KeyError(name)
        if name == "index.html":
            return self._index()
        if name == "contracts.html":
            return self._contracts()
        kind, _, subject = name.removesuffix(".html").partition("-")
        return {"table": self._table, "expectations": self._expectations, "contract": self._contract}[kind](subject)

    def _page(self, template: str, title: str, section: str, **values: Any) -> str:
        return environment().get_template(template).render(
            title=title, section=section, menu=menu("", self.steward), root="", **values
        )  # fmt: skip

    def _steward_of(self, table: str, rule: str | None = None) -> str | None:
        if self.steward is None or table not in self.quarantine.tables():
            return None
        return f"{self.steward}/quarantine/{path_part(table)}" + (f"?rule={path_part(rule)}" if rule else "")

    def _index(self) -> str:
        lines = [self._index_line(name) for name in self.history.tables()]
        return self._page(
            "index.html",
            "Tables at the gate",
            "tables",
            tables=sorted(lines, key=lambda line: (line.run.success, line.name)),
            blocked=sum(not line.run.success for line in lines),
            last_run=max((line.run.when for line in lines), default=""),
        )

    def _index_line(self, name: str) -> _IndexLine:
        runs = self.history.runs(name)
        worst = runs[-1].worst
        contract = self.contracts.get(name)
        return _IndexLine(
            name=name,
            title=contract.title if contract else "",
            address=f"table-{name}.html",
            run=runs[-1],
            set_aside=_set_aside(runs[-1]),
            open=self.quarantine.held_back(name) if name in self.quarantine.tables() else 0,
            steward=self._steward_of(name),
            bar=_bar(worst) if worst else "",
            sparkline=sparkline(_points(runs)),
        )

    def _table(self, name: str) -> str:
        runs = self.history.runs(name)
        run, contract = runs[-1], self.contracts.get(name)
        rows_in = run.counts.get("in", 0)
        rules = [
            _RuleLine(
                fact=fact,
                notable=bool(fact.failing or fact.released or fact.rejected or fact.note),
                passed=fact.failing_fraction <= fact.tolerated_fraction,
                bar=_bar(fact),
                steward=self._steward_of(name, fact.rule_id) if fact.failing else None,
            )
            for fact in sorted(run.facts, key=lambda fact: -severity(fact))
        ]
        tiles = [
            (_LABELS.get(fate, fate.replace("_", " ").capitalize()), rows, _part(fate, rows, rows_in))
            for fate, rows in run.counts.items()
        ]
        sample = self.history.result(run).sample
        return self._page(
            "table.html",
            name,
            "tables",
            name=name,
            run=run,
            contract=contract,
            contract_address=f"contract-{name}.html" if contract else None,
            expectations_address=f"expectations-{name}.html",
            steward=self._steward_of(name),
            tiles=tiles,
            rules=rules,
            trend=trend(_points(runs)),
            recent=runs[: -RECENT_RUNS - 1 : -1],
            per_rule=SAMPLE_PER_RULE,
            sample=[view_row(row["row_key"], row["rules"], row["raw"], contract) for row in sample],
        )

    def _expectations(self, name: str) -> str:
        run = self.history.runs(name)[-1]
        validation = self.history.result(run).validation
        descriptions = {fact.rule_id: fact.description for fact in run.facts}
        expectations = [_expectation(result, descriptions) for result in validation.get("results", ())]
        expectations.sort(key=lambda expectation: expectation["success"])
        return self._page(
            "expectations.html",
            f"Great Expectations: {name}",
            "tables",
            name=name,
            run=run,
            table_address=f"table-{name}.html",
            expectations=expectations,
            met=sum(expectation["success"] for expectation in expectations),
            text=json.dumps(validation, indent=2, ensure_ascii=False),
        )

    def _contracts(self) -> str:
        listed = [(contract, f"contract-{name}.html") for name, contract in sorted(self.contracts.items())]
        return self._page("contracts.html", "Contracts", "contracts", contracts=listed)

    def _contract(self, name: str) -> str:
        contract = self.contracts[name]
        return self._page(
            "contract.html",
            f"Contract {name}",
            "contracts",
            contract=contract,
            facts=contract_facts(contract),
            types={column_type: names.logical for column_type, names in TYPE_NAMES.items()} | {"bytes": "bytes"},
            table_address=f"table-{name}.html" if name in self.history.tables() else None,
        )


def menu(root: str, steward: str | None) -> tuple[tuple[str, str, str], ...]:
    """(section, label, address) of the main menu; the quarantine is in it where there is a server to decide on it."""
    pages = (("tables", "Tables", f"{root}index.html"), ("contracts", "Contracts", f"{root}contracts.html"))
    if steward is None:
        return pages
    served = (("quarantine", "Quarantine", f"{steward}/quarantine"), ("decisions", "Decisions", f"{steward}/decisions"))
    return (*pages, *served)


def contract_facts(contract: Contract) -> list[tuple[str, str]]:
    """(label, text) of what a contract says about the table as a whole, as people ask for it."""
    freshness = contract.freshness
    facts = [
        ("Owner", contract.owner),
        ("Contact", contract.contact),
        ("Version", f"{contract.version} ({contract.status})"),
        ("One row is", contract.granularity),
        ("Primary key", ", ".join(contract.primary_key)),
        ("Currency", contract.currency),
        ("Known ahead", contract.known_ahead),
        ("Tolerated share of failing rows", f"{100 * contract.tolerated_fraction:g} % unless a rule says otherwise"),
        ("Fresh", f"{freshness.column} at most {freshness.days:g} days old" if freshness else ""),
        ("Partitioned by", contract.partition_by or ""),
        ("Use it for", contract.usage),
        ("Limits", contract.limitations),
    ]
    return [(label, text) for label, text in facts if text]


def _points(runs: Sequence[RecordedRun]) -> list[TrendPoint]:
    return [TrendPoint(run.when[:16].replace("T", " "), run.held_back_fraction, run.success) for run in runs]


def _bar(fact: RuleFact) -> str:
    return tolerance_bar(fact.failing_fraction, fact.tolerated_fraction)


def _set_aside(run: RecordedRun) -> int:
    return sum(rows for fate, rows in run.counts.items() if fate not in {"in", "good", "quarantined"})


def _part(fate: str, rows: int, rows_in: int) -> str:
    return "" if fate == "in" or not rows_in else f"{100 * rows / rows_in:.3g} % of rows in"


def _expectation(result: Mapping[str, Any], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """One result of Great Expectations as a page shows it, with the words of the rule that it stands for."""
    config = result.get("expectation_config") or {}
    errors = result.get("exception_info") or {}
    raised = [errors] if "raised_exception" in errors else list(errors.values())
    meta = config.get("meta") or {}
    notes = descriptions.get(meta.get("rule_id", "")) or config.get("description") or meta.get("notes") or ""
    return {
        "type": config.get("type", "expectation"),
        "notes": notes if isinstance(notes, str) else json.dumps(notes, ensure_ascii=False),
        "arguments": _pairs(config.get("kwargs") or {}, without={"batch_id"}),
        "success": bool(result.get("success")),
        "observed": _pairs(result.get("result") or {}, without={"details"}),
        "error": "; ".join(str(one.get("exception_message")) for one in raised if one.get("raised_exception")),
    }


def _pairs(values: Mapping[str, Any], without: set[str]) -> list[tuple[str, str]]:
    shown = ((key, value) for key, value in values.items() if key not in without and value not in (None, [], {}))
    return [(key, json.dumps(value, ensure_ascii=False, default=str)[:600]) for key, value in shown]
