"""Pages of the quarantine as HTML: what a steward sees before and after deciding."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc

from data_checks.contracts import Contract
from data_checks.decisions import VerdictsInForce
from data_checks.docs_site import menu
from data_checks.page_rendering import environment, path_part, view_row
from data_checks.quarantine import STATUSES, Quarantine, QuarantineError, breaking

PAGE_ROWS = 25
_TABS = {"open": "Open", "released": "Released", "rejected": "Rejected", "gone": "Left its source"}


@dataclass(frozen=True)
class View:
    """What part of a table's quarantine is looked at; it lives in the address, so that it can be kept and sent."""

    table: str
    status: str = "open"
    rule: str = ""
    search: str = ""
    page: int = 1
    ticked: str = ""

    @classmethod
    def from_query(cls, table: str, query: Mapping[str, str]) -> "View":
        """Reads an address. Raises QuarantineError for a status or page number there is not."""
        status, page = query.get("status") or "open", query.get("page") or "1"
        if status not in STATUSES:
            raise QuarantineError(f"status {status!r}: use one of {', '.join(STATUSES)}")
        if not page.isascii() or not page.isdigit() or not 1 <= int(page[:10]) <= 1_000_000:
            raise QuarantineError(f"page {page[:20]!r}: use a number from 1 to 1,000,000")
        return cls(table, status, query.get("rule", ""), query.get("search", ""), int(page), query.get("ticked", ""))

    def address(self, **changed: Any) -> str:
        """The address of this view, or of a changed one."""
        other = replace(self, **{"ticked": "", **changed})
        query = {"status": other.status, "rule": other.rule, "search": other.search, "page": other.page}
        query |= {"ticked": other.ticked}
        return f"/quarantine/{path_part(other.table)}?" + urlencode({k: v for k, v in query.items() if v})

    def page_address(self, page: int) -> str:
        """The address of another page of this view."""
        return self.address(page=page)


@dataclass(frozen=True)
class DecideForm:
    """What the steward typed, shown again when it was refused."""

    scope: str = "rows"
    rule: str = ""
    reason: str = ""
    who: str = ""
    rows: frozenset[str] = field(default_factory=frozenset)


class StewardPages:
    """Renders the pages; `token` goes into every form."""

    def __init__(self, quarantine: Quarantine, contracts: Mapping[str, Contract], token: str) -> None:
        self.quarantine = quarantine
        self.contracts = contracts
        self.token = token

    def index(self) -> str:
        """Tables with their counts."""
        return self._page("quarantine.html", "Quarantine", tables=self.quarantine.summaries())

    def table(self, view: View, form: DecideForm, *, error: str = "", done: str = "") -> str:
        """One table's rows, filtered and paged, with the form to decide on them."""
        rows = self.quarantine.rows(view.table)
        rules = sorted(set(pc.list_flatten(rows["rules"]).to_pylist()))
        by_status = Counter(rows["status"].to_pylist())
        decidable = rows.filter(pc.not_equal(rows["status"], "gone"))
        log = self.quarantine.log(view.table)
        in_force = VerdictsInForce(log)
        chosen = _chosen(rows, view)
        pages = max(1, -(-chosen.num_rows // PAGE_ROWS))
        view = replace(view, page=min(view.page, pages))
        first = (view.page - 1) * PAGE_ROWS
        shown = chosen.slice(first, PAGE_ROWS).to_pylist()
        contract = self.contracts.get(view.table)
        return self._page(
            "quarantine_table.html",
            f"Quarantine of {view.table}",
            table=view.table,
            view=view,
            form=form,
            error=error,
            done=next((one for one in log if one.decision_id == done), None),
            tabs=[(status, label, by_status[status]) for status, label in _TABS.items()],
            rules=rules,
            decidable=sorted(Counter(pc.list_flatten(decidable["rules"]).to_pylist()).items()),
            rows=[
                {
                    "view": view_row(row["_row_key"], row["rules"], row["raw"], contract, in_force.of(row["_row_key"])),
                    "held": row["held"],
                    "ticked": view.ticked == "all" or row["_row_key"] in form.rows,
                }
                for row in shown
            ],
            total=chosen.num_rows,
            first=first + 1,
            last=first + len(shown),
            pages=pages,
        )

    def row(self, table: str, row_key: str, form: DecideForm) -> str:
        """One row with all its fields and the decisions on it. Raises QuarantineError for a row there is not."""
        rows = self.quarantine.rows(table)
        found = rows.filter(pc.equal(rows["_row_key"], row_key)).to_pylist()
        if not found:
            raise QuarantineError(f"no row {row_key[:100]!r} in the quarantine of {table!r}")
        log = self.quarantine.log(table)
        decisions = [decision for decision in log if any(row_key in row_keys for _, row_keys in decision.targets)]
        row = found[0]
        return self._page(
            "quarantine_row.html",
            f"Row of {table}",
            table=table,
            row=view_row(
                row_key, row["rules"], row["raw"], self.contracts.get(table), VerdictsInForce(log).of(row_key)
            ),
            raw=row["raw"],
            held=row["held"],
            status=row["status"],
            decisions=decisions[::-1],
            form=form,
        )

    def decisions(self, page: int) -> str:
        """The log of all tables, newest first."""
        log = [decision for table in self.quarantine.tables() for decision in self.quarantine.log(table)]
        log.sort(key=lambda decision: decision.when, reverse=True)
        pages = max(1, -(-len(log) // PAGE_ROWS))
        page = min(page, pages)
        return self._page(
            "decisions.html",
            "Decisions",
            section="decisions",
            decisions=log[(page - 1) * PAGE_ROWS : page * PAGE_ROWS],
            page=page,
            pages=pages,
            address=lambda number: f"/decisions?page={number}",
        )

    def message(self, title: str, message: str) -> str:
        """A page that says why there is nothing else to see."""
        return self._page("message.html", title, message=message)

    def _page(self, template: str, title: str, *, section: str = "quarantine", **values: Any) -> str:
        return environment().get_template(template).render(
            title=title, section=section, menu=menu("/", ""), root="/", token=self.token, **values
        )  # fmt: skip


def _chosen(rows: pa.Table, view: View) -> pa.Table:
    if view.rule:
        rows = breaking(rows, view.rule)
    rows = rows.filter(pc.equal(rows["status"], view.status))
    if view.search:
        rows = rows.filter(pc.match_substring(rows["raw"], view.search, ignore_case=True))
    return rows
