"""`storeloop customers`: what is known of one customer and where it comes from; erasing one on request."""

import json
from typing import Annotated

import typer

from orchestration.settings import Settings
from orchestration.workspace import Workspace

app = typer.Typer(add_completion=False, no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def erase(
    customer_id: Annotated[str, typer.Argument(help="Customer who asks to be forgotten.")],
    who: Annotated[str, typer.Option("--who", help="Who erases; recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded.")],
    as_json: JsonOption = False,
) -> None:
    """Erase a customer from tables, features, online state, releases and feedback; no source brings them back."""
    from orchestration.erasure import erase_customers

    gone = erase_customers(Workspace(Settings()), [customer_id], who=who, reason=reason)
    if as_json:
        typer.echo(json.dumps(gone))
        return
    typer.echo("erased; " + ", ".join(f"{place} {count:,}" for place, count in gone.items() if count) + ".")


@app.command()
def show(customer_id: Annotated[str, typer.Argument(help="Customer to look at.")], as_json: JsonOption = False) -> None:
    """Every field that is known of a customer: value, unit, meaning, tables it comes from, and as of when."""
    from orchestration.customers import customer_360

    fields = customer_360(Workspace(Settings()), customer_id)
    if as_json:
        typer.echo(json.dumps(fields, default=str, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"customer {customer_id}")
    for column in ("field", "value", "unit", "meaning", "tables", "as of"):
        table.add_column(column, overflow="fold")
    for each in fields:
        value = "" if each["value"] is None else each["value"]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        table.add_row(
            each["field"], shown, each["unit"], each["meaning"], ", ".join(each["tables"]), str(each["as_of"])
        )
    Console().print(table)
