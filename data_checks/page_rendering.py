"""What every page shares: the template environment, how figures and moments are written, and how a row is explained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from data_checks.charts import percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from data_checks.contracts import Contract

PAGES = Path(__file__).parent / "pages"
LONGEST_VALUE = 120


@dataclass(frozen=True)
class Reason:
    """Why a row is held back: the rule in words, and the row's values of the columns that the rule is about."""

    rule_id: str
    text: str
    values: tuple[tuple[str, str], ...]
    verdict: str | None  # what a steward decided on this rule for this row


@dataclass(frozen=True)
class RowView:
    """A failing row for people: its key, its reasons, its fields as delivered (text, or None for an empty one)."""

    row_key: str
    reasons: tuple[Reason, ...]
    fields: Mapping[str, str | None]


def view_row(
    row_key: str, rules: Sequence[str], raw: str, contract: "Contract | None", verdicts: Mapping[str, str] | None = None
) -> RowView:
    """Explains one quarantined row by its contract; a rule that the contract no longer has stands by its name alone."""
    fields = _fields(raw)
    known = {rule.rule_id: rule for rule in contract.rules} if contract else {}
    reasons = []
    for rule_id in rules:
        rule = known.get(rule_id)
        values = tuple((name, _short(fields[name])) for name in rule.columns if name in fields) if rule else ()
        reasons.append(Reason(rule_id, rule.description if rule else rule_id, values, (verdicts or {}).get(rule_id)))
    return RowView(row_key, tuple(reasons), fields)


def count(number: int) -> str:
    """`1234567` -> `1,234,567`."""
    return f"{number:,}"


def moment(iso: str) -> str:
    """`2026-03-01T12:00:00Z` -> `2026-03-01 12:00`."""
    return iso[:16].replace("T", " ")


def path_part(name: str) -> str:
    """A name as one part of an address, whatever is in it."""
    return quote(name, safe="")


@cache
def environment() -> "Environment":
    """Templates with escaping on and unknown names refused: rows are written by strangers."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(count=count, moment=moment, percent=percent, path_part=path_part)
    return made


def style_sheet() -> str:
    """The one style sheet of the site and the steward's page."""
    return (PAGES / "style.css").read_text("utf-8")


def _fields(raw: str) -> dict[str, str | None]:
    try:
        row = json.loads(raw)
    except ValueError:
        return {"row": raw}
    if not isinstance(row, dict):
        return {"row": raw}
    # Tags of the pipeline (`_repaired`, ...) are worth a line only where they say something.
    return {str(name): _text(value) for name, value in row.items() if value is not None or not name.startswith("_")}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(value: str | None) -> str:
    if value is None:
        return "empty"
    return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
