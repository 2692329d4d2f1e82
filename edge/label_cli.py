"""`storeloop edge labels`: prices of electronic shelf labels, and what the centre hears of them."""

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.console import AsJson, Home, PublicKey, Token, errors, show
from edge.outbox_cli import send_all

app = typer.Typer(no_args_is_help=True, help="Price the electronic labels of shelves, without a network.")


@app.command()
def price(
    situations: Annotated[
        Path, typer.Argument(help="A JSON list of situations, or a folder of such files, which go once decided.")
    ],
    home: Home,
    key: PublicKey,
    *,
    every: Annotated[
        float | None,
        typer.Option(min=0.1, max=86_400, help="Seconds between passes, until interrupted; one pass if none."),
    ] = None,
    to: Annotated[str | None, typer.Option(help="Address of the pricing service, to tell after each pass.")] = None,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Decide what is new and write labels.json in the box's folder; exit code 1 when a situation was refused."""
    from models.common.keys import read_public_key

    with errors(as_json):
        trusted = read_public_key(key)
        if every is None:
            if _pass(situations, home, trusted, to, token, as_json):
                raise typer.Exit(1)
            return
        while True:
            try:
                _pass(situations, home, trusted, to, token, as_json)
            except (ValueError, RuntimeError, KeyError, OSError) as error:  # the next pass may find it mended
                show({"error": str(error)}, as_json)
            time.sleep(every)


@app.command()
def forward(
    home: Home,
    to: Annotated[str, typer.Option(help="Address of the pricing service, such as http://10.0.0.5:3000.")],
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Tell the service of decisions it has not heard of; what it does not take waits, what it refuses is set aside (exit code 1)."""
    from edge.label_store import LabelStore, decisions_to

    with errors(as_json):
        store = LabelStore(home)
        store.hand_over()
        send_all(store.outbox, decisions_to(to, token), as_json)


@app.command(name="show")
def show_labels(home: Home, as_json: AsJson = False) -> None:
    """How many labels there are, who priced them, which rules moved them, and how many decisions wait or were refused."""
    from edge.label_store import LabelStore

    with errors(as_json):
        store = LabelStore(home)
        labels = store.labels().values()
        summary = {
            "labels": len(labels),
            "served_by": dict(Counter(each["served_by"] for each in labels)),
            "clipped": dict(Counter(each["rule"] for each in labels if each["rule"])),
            "waiting": store.outbox.waiting(),
            "refused": store.outbox.refused(),
        }
        show(summary, as_json)


def _pass(situations: Path, home: Path, trusted: Any, to: str | None, token: str, as_json: bool) -> bool:
    """One pass; whether a situation was refused."""
    from edge.label_queue import price_path
    from edge.label_store import LabelStore, decisions_to
    from edge.labels import open_prices
    from edge.outbox import OutboxError, refused_problem

    runtime = open_prices(home, trusted)
    try:
        report = price_path(home, runtime, situations, now=datetime.now(UTC))
    finally:
        runtime.close()
    told = report.told()
    outbox = LabelStore(home).outbox
    if to is not None:
        try:
            told["sent"] = outbox.forward(decisions_to(to, token))
        except OutboxError as error:  # without a network the shop prices on
            told["sent"], told["problem"] = 0, report.problem or str(error)
    told["problem"] = told["problem"] or refused_problem(outbox.refused())
    show(told | {"waiting": outbox.waiting()}, as_json)
    return bool(report.refused)
