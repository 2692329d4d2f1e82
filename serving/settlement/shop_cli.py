"""`storeloop shop`: tell the log what happened, settle, and decide on what a person is asked about."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.live.cli import MakeDay, live_command

if TYPE_CHECKING:
    from serving.settlement.processor import Processor
    from serving.settlement.shop_settings import ShopSettings

Folder = Callable[[], Path]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Shop = Annotated[str, typer.Option("--shop", help="Name of the shop.")]
_BATCH = 500
_TOLD_S = 5.0  # between lines on how far it is


def build_shop_app(home: Folder, make_day: MakeDay | None = None) -> typer.Typer:
    """`shop`, the live page, and `shop tell|settle|reviews|decide|bill|flink-job`; `home()` gives Storeloop's home, `make_day` a day
    of the twin to be played."""
    app = typer.Typer(
        help="A shop live on a page of this machine; sub-commands for its events, bills and reviews.",
        context_settings={"obj": home},
    )
    app.callback(invoke_without_command=True)(live_command(make_day))
    for command in (tell, settle, reviews, decide, bill):
        app.command()(command)
    app.command("flink-job")(flink_job)
    return app


def tell(
    context: typer.Context,
    file: Annotated[typer.FileText, typer.Argument(help="Events, one JSON object a line; - reads standard input.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Append events to the log. All lines are read before the first is sent; sent twice they count once."""
    from serving.settlement.shop_events import read_event
    from serving.settlement.shop_settings import open_producer
    from serving.settlement.transport import Message

    with _told():
        settings, home = _settings(), context.obj()
        topic, messages = settings.names().events, []
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    event = read_event(line.encode())
                except ValueError as error:
                    raise ValueError(f"{file.name}, line {number}: {error}") from error
                messages.append(Message(topic, event.shop, event.model_dump_json().encode()))
        producer = open_producer(settings, home)
        for first in range(0, len(messages), _BATCH):
            producer.send(messages[first : first + _BATCH])
        _show({"events": len(messages)}, as_json)


def settle(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when the log has nothing new.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make bills of events, until Ctrl+C. Of two that run the later goes on alone."""
    from serving.settlement.ledger_settings import LedgerSettings, open_ledger
    from serving.settlement.shop_settings import open_processor

    with _told():
        home = context.obj()
        processor = open_processor(_settings(), home, open_ledger(LedgerSettings(), home))
        if once:
            while processor.step(1.0):
                pass
        else:
            _run(processor)
        done = processor.done
        _show({"events": done.events, "refused": done.refused, "entries": done.entries}, as_json)


def reviews(context: typer.Context, *, as_json: AsJson = False) -> None:
    """What a person is asked about: products that were not sure enough to be charged, oldest visit first."""
    from serving.settlement.shop_settings import open_books

    with _told():
        books = open_books(_settings(), context.obj())
        found = [json.loads(text) for shop in books.shops() for text in books.of_kind(shop, "review").values()]
        found.sort(key=lambda each: (each["left"] or "", each["visit"], each["product"]))
        if as_json:
            _show({"reviews": found}, as_json)
            return
        for each in found:
            sure = f"{each['likely']} likely ({100 * each['confidence']:.0f} %)"
            typer.echo(f"{each['shop']}  {each['visit']}  {each['product']}  {sure}  {each['cause']}")
        typer.echo(f"{len(found)} open: storeloop shop decide VISIT PRODUCT COUNT --by NAME --reason WHY", err=True)


def decide(
    context: typer.Context,
    visit: Annotated[str, typer.Argument(help="The visit.")],
    product: Annotated[str, typer.Argument(help="The product.")],
    count: Annotated[int, typer.Argument(min=0, max=100, help="How many it took home.")],
    *,
    by: Annotated[str, typer.Option(help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    shop: Shop = "shop-1",
    as_json: AsJson = False,
) -> None:
    """Say what a visit took of a product: the till corrects the bill accordingly."""
    from serving.settlement.deciding import decision
    from serving.settlement.shop_settings import open_books, open_producer
    from serving.settlement.transport import Message

    with _told():
        settings, home = _settings(), context.obj()
        books, now = open_books(settings, home), datetime.now(UTC)
        event = decision(books, shop, visit, product, count, by=by, reason=reason, now=now)
        message = Message(settings.names().events, shop, event.model_dump_json().encode())
        open_producer(settings, home).send([message])
        _show({"event": event.event_id, "visit": visit, "product": product, "count": count}, as_json)


def bill(
    context: typer.Context,
    visit: Annotated[str, typer.Argument(help="The visit.")],
    *,
    shop: Shop = "shop-1",
    as_json: AsJson = False,
) -> None:
    """Show the bill of a visit as it stands, and what is asked about it."""
    from serving.settlement.shop_settings import open_books
    from serving.settlement.visit import Visit

    with _told():
        text = open_books(_settings(), context.obj()).find(shop, f"visit:{visit}")
        if text is None:
            raise ValueError(f"no visit {visit!r} in {shop!r}")
        known = Visit.model_validate_json(text)
        if as_json or known.bill is None:
            _show(known.model_dump(mode="json", include={"visit_id", "version", "bill", "reviews"}), as_json)
            return
        for line in known.bill.lines:
            off = f"  ({', '.join(line.offers)})" if line.offers else ""
            typer.echo(f"{line.count:>4} x {line.product:<24}{line.cents / 100:>10.2f}{off}")
        typer.echo(f"{'total':<31}{known.bill.total_cents / 100:>10.2f} {known.bill.currency}")
        for rate, cents in known.bill.tax_cents.items():
            typer.echo(f"{f'of it tax {int(rate) / 100:g} %':<31}{cents / 100:>10.2f}")
        for each in known.reviews.values():
            typer.echo(f"asked: {each.product}, {each.likely} likely, {each.cause}")


def flink_job(
    servers: Annotated[str, typer.Option(help="Kafka brokers as Flink reaches them: host:port, several by commas.")],
    checkpoints: Annotated[str, typer.Option(help="Folder of checkpoints: file:///..., s3://...")],
    recover: Annotated[str, typer.Option(help="Checkpoint to go on from: .../chk-N.")] = "",
    refunds: Annotated[int, typer.Option(help="Refunds of an account in an hour that are suspicious.")] = 3,
    refunded_cents: Annotated[int, typer.Option(help="Cents given back in an hour that are suspicious.")] = 5_000,
) -> None:
    """Print the Flink job of chain-wide totals, for `serving/deploy/streams/submit.py`."""
    from serving.settlement.flink_job import FlinkJobConfig, job

    with _told():
        config = FlinkJobConfig(
            servers=servers,
            checkpoints=checkpoints,
            topics=_settings().topics,
            recover=recover,
            refunds=refunds,
            refunded_cents=refunded_cents,
        )
        typer.echo(job(config))


def _run(processor: "Processor") -> None:
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())

    def tell_now_and_then() -> None:
        while not stop.wait(_TOLD_S):
            done = processor.done
            said = f"{done.events:,} events, {done.entries:,} entries, {done.refused:,} refused"
            typer.echo(f"{said}; {done.problem}" if done.problem else said, err=True)

    threading.Thread(target=tell_now_and_then, name="telling", daemon=True).start()
    try:
        processor.run(stop)
    finally:
        stop.set()


def _settings() -> "ShopSettings":
    from serving.settlement.shop_settings import ShopSettings

    return ShopSettings()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _show(told: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(told) if as_json else ", ".join(f"{name} {value}" for name, value in told.items()))
