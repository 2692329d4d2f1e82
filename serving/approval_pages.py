"""Pages of approval and of the what-if curve as HTML; everything from outside is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from serving.approval_roles import Person
from serving.approval_templates import STYLE, TEMPLATES
from serving.approvals import STATUSES, ApprovalError, Approvals, Decided, Filter
from serving.curve_forms import CurveForm

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_ROWS, PAGE_DIGITS = 50, 10
RULE_WORDS = {
    "essential": "essential goods never above list price",
    "ceiling": "ceiling",
    "floor": "floor",
    "margin_floor": "least margin",
    "largest_change": "largest change from the label at the day's opening",
}


@dataclass(frozen=True)
class View:
    """What part of the proposals is looked at; it lives in the address, so that it can be kept and sent."""

    chosen: Filter
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """Reads an address. ApprovalError for a status or page that there is not."""
        status, page = query.get("status") or "pending", query.get("page") or "1"
        if status not in STATUSES:
            raise ApprovalError(f"status {status[:20]!r}: use one of {', '.join(STATUSES)}")
        if not page.isascii() or not page.isdigit() or len(page) > PAGE_DIGITS or not 1 <= int(page) <= 1_000_000:
            raise ApprovalError(f"page {page[:20]!r}: use a number from 1 to 1,000,000")
        words = (query.get(name, "")[:200] for name in ("market", "rule", "search"))
        return cls(Filter(status, *words), int(page))

    def fields(self) -> dict[str, str]:
        """As the fields of a form."""
        told = vars(self.chosen) | {"page": str(self.page)}
        return {name: value for name, value in told.items() if value}

    def address(self, **changed: Any) -> str:
        """The address of this view, or of a changed one."""
        page = changed.pop("page", 1)
        return "/approvals?" + urlencode(View(replace(self.chosen, **changed), page).fields())


def proposals_page(
    approvals: Approvals, view: View, person: Person, seal: str, *, decided: Decided | None = None, error: str = "",
    verdict: str = "", reason: str = "",
) -> str:  # fmt: skip
    """The proposals of a view, with the form to decide on them."""
    until = approvals.now()
    rows, total = approvals.listed(view.chosen, first=(view.page - 1) * PAGE_ROWS, count=PAGE_ROWS)
    pages = max(1, -(-total // PAGE_ROWS))
    return render(
        "proposals", "Proposed prices", person=person, seal=seal, view=view, rows=rows, total=total, pages=pages,
        tabs=[(status, status.capitalize(), count) for status, count in approvals.counts().items()],
        markets=approvals.choices("market"), rules=[each for each in approvals.choices("rule") if each],
        words=RULE_WORDS, decided=decided, error=error, verdict=verdict, reason=reason, until=repr(until),
    )  # fmt: skip


def audit_page(approvals: Approvals, page: int, person: Person, seal: str) -> str:
    """The chain of decisions, newest first, and whether it holds."""
    links, total = approvals.audit.listed(first=(page - 1) * PAGE_ROWS, count=PAGE_ROWS)
    return render(
        "audit", "Audit trail", person=person, seal=seal, links=links, total=total, page=page,
        pages=max(1, -(-total // PAGE_ROWS)), problem=approvals.audit.problem(), head=approvals.audit.head(),
    )  # fmt: skip


def message_page(title: str, message: str) -> str:
    """A page that says why there is nothing else to see."""
    return render("message", title, message=message, person=None, seal="")


def login_page(error: str = "") -> str:
    """The form that asks for a token."""
    return render("login", "Sign in", error=error, person=None, seal="")


def curve_page(
    form: CurveForm, markets: Sequence[str], asked: Mapping[str, str], *, found: Any = None, error: str = ""
) -> str:
    """The form of a situation and, once asked, its curve as a picture and a table."""
    return render(
        "curve", form.title, form=form, markets=markets, asked=asked, found=found, error=error, person=None, seal="",
        words=RULE_WORDS,
    )  # fmt: skip


def render(template: str, title: str, **values: Any) -> str:
    """One of the templates."""
    return environment().get_template(template).render(title=title, **values)


@cache
def environment() -> "Environment":
    """Templates with escaping on and unknown names refused."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    made = Environment(
        loader=DictLoader(dict(TEMPLATES)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(money=lambda value: f"{value:,.2f}", moment=_moment)
    return made


def style_sheet() -> str:
    """The one style sheet."""
    return STYLE


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
