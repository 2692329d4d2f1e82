"""The shop's nightly books: whether they balance, and what was sold on the days that do."""

from datetime import UTC, date, datetime
from typing import Any

from orchestration.absence import not_provided
from orchestration.fingerprints import fingerprint
from orchestration.ingest import TableOutcome
from orchestration.shop_landing import REMEDY
from orchestration.workspace import Workspace

SALES = "shop_sales"
_CODE = ("orchestration/shop_books.py",)


def balance_books(workspace: Workspace) -> TableOutcome:
    """Reconcile all days that are over; the check fails where anything differs, and says what."""
    from orchestration.image_pictures import markdown
    from orchestration.shop_reconciling import reconcile_shop, report

    found = reconcile_shop(workspace, before=_today())
    if found is None:
        return TableOutcome(True, not_provided(REMEDY), {"note": REMEDY})
    facts: dict[str, Any] = {
        "days": len(found.days),
        "entries": sum(each.entries for each in found.days),
        "ledger cents": sum(each.ledger_cents for each in found.days),
        "bills cents": sum(each.bills_cents for each in found.days),
        "movements cents": sum(each.movements_cents for each in found.days),
        "packages": sum(each.ledger_packages for each in found.days),
        "not landed yet": found.waiting,
        "in review": sum(each.in_review for each in found.days),
        "differences": len(found.findings),
        "report": markdown("\n".join(report(found))),
    }
    said = {"broken": [str(each) for each in found.findings[:20]]} if found.findings else {}
    return TableOutcome(found.balanced, facts, {"differences": len(found.findings), **said})


def write_sales(workspace: Workspace) -> dict[str, Any]:
    """`gold/shop_sales`: packages and cents by day, shop and product, of days that are over and balance."""
    lake, today = workspace.lake, _today()
    inputs = {"movements": lake.content_hash("clean", "stock_movements"), "before": today.isoformat()}
    made_from = fingerprint(code=_CODE, inputs=inputs)
    version = lake.version("gold", SALES)
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        moved = lake.read("clean", "stock_movements", workspace.connect())
        sold = (
            moved.filter(moved.left_on < today)
            .group_by(["left_on", "shop", "product_id", "currency"])
            .agg(packages=-moved.packages.sum(), cents=moved.value_cents.sum())
        )
        sold = sold.filter((sold.packages != 0) | (sold.cents != 0))  # what all came back was not sold
        version = lake.write(
            "gold",
            SALES,
            sold,
            fingerprint=made_from,
            partition_by="left_on",
            sort_by=["shop", "product_id", "currency"],
        )
    return {"rows": version.rows, "unchanged": unchanged, "content_hash": version.content_hash}


def _today() -> date:
    return datetime.now(UTC).date()
