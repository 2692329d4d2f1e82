"""`storeloop shop reconcile`: whether ledger, bills and stock movements agree."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer


def reconcile(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="One day alone, also one that is not over.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare ledger, bills and stock movements by day, of all that landed; exit 1 and every difference where they differ."""
    from orchestration.settings import Settings
    from orchestration.shop_landing import REMEDY
    from orchestration.shop_reconciling import reconcile_shop
    from orchestration.workspace import Workspace

    found = reconcile_shop(Workspace(Settings()), day=None if day is None else day.date())
    if found is None:
        raise ValueError(REMEDY)
    if as_json:
        typer.echo(json.dumps({"balanced": found.balanced, **asdict(found)}, default=str))
    else:
        for each in found.days:
            cents = (each.ledger_cents, each.bills_cents, each.movements_cents)
            ledger, bills, moved = (f"{amount / 100:.2f}" for amount in cents)
            typer.echo(
                f"{each.day}  {each.shop}  {each.entries} entries, {each.ledger_packages} packages; ledger {ledger}, bills {bills}, "
                f"movements {moved}; {each.in_review} in review"
            )
        if found.waiting:
            typer.echo(f"{found.waiting} entries are newer than what landed")
        for finding in found.findings:
            typer.echo(str(finding))
        typer.echo("balanced" if found.balanced else f"{len(found.findings)} differences", err=True)
    if not found.balanced:
        raise typer.Exit(1)
