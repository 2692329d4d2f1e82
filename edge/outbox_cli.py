"""`storeloop edge feedback`, `forward` and `refused`: what the centre shall hear of a box."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from edge.console import AsJson, Home, Token, errors, show

if TYPE_CHECKING:
    from edge.outbox import Outbox, Send

SHOWN = 100  # refused events of a kind: a service that refuses all would fill the screen
app = typer.Typer()


@app.command()
def feedback(
    home: Home,
    kind: Annotated[str, typer.Option(help="What the customer did: view, click, cart or purchase.")],
    item: Annotated[str, typer.Option(help="The item.")],
    customer: Annotated[str, typer.Option(help="The customer, from the card.")],
    event_id: Annotated[str, typer.Option(help="Given once, ever, such as the number of the receipt's line.")],
    as_json: AsJson = False,
) -> None:
    """Keep what a customer did, until `forward` brings it to the service."""
    from edge.outbox import Outbox

    with errors(as_json):
        box, now = Outbox(home), datetime.now(UTC).isoformat()
        stored = box.store(
            {"kind": kind, "item_id": item, "customer_id": customer, "event_time": now, "event_id": event_id}
        )
        show({"stored": stored, "waiting": box.waiting()}, as_json)


@app.command()
def forward(
    home: Home,
    to: Annotated[str, typer.Option(help="Address of the recommender's service, such as http://10.0.0.5:3000.")],
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Send what was kept to the service; what it does not take waits, what it refuses is set aside (exit code 1)."""
    from edge.outbox import Outbox, to_service

    with errors(as_json):
        send_all(Outbox(home), to_service(to, token=token), as_json)


@app.command()
def refused(
    home: Home,
    retry: Annotated[bool, typer.Option(help="Let them wait again, to be sent with the next events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Events that a service refused, newest first, with its answers; they are kept until it takes them."""
    from edge.refused import refused_events, retry_refused

    with errors(as_json):
        events = refused_events(home, SHOWN)
        show({"refused": events} | ({"retried": retry_refused(home)} if retry else {}), as_json)


def send_all(box: "Outbox", send: "Send", as_json: bool) -> None:
    """Forward what waits and show how it went; exit code 1 when an event was refused."""
    before = box.refused()
    told = {"sent": box.forward(send), "waiting": box.waiting(), "refused": box.refused()}
    show(told, as_json)
    if told["refused"] > before:
        raise typer.Exit(1)
