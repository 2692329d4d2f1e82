"""`storeloop shop` without a sub-command: the live page of a shop."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving.live.play import Day

MakeDay = Callable[[int, int], "Day"]  # of visits and a seed
TWIN, DEFAULT_PORT = "twin", 3300


def live_command(make_day: "MakeDay | None") -> Callable[..., None]:
    """The command; `make_day` makes a day of the twin, where this installation has one."""

    def live(
        context: typer.Context,
        *,
        shop: Annotated[str, typer.Option(help="Which shop of the log is shown.")] = "shop-1",
        host: Annotated[str, typer.Option(help="Address to bind: this machine only.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(min=1, max=65_535, help="TCP port.")] = DEFAULT_PORT,
        anywhere: Annotated[
            bool, typer.Option("--anywhere", help="Let --host reach beyond this machine; the page has no log-in.")
        ] = False,
        settle: Annotated[
            bool, typer.Option("--settle/--no-settle", help="Make bills here, or look on while another does.")
        ] = True,
        twin: Annotated[
            bool, typer.Option("--twin", help="Play a small day of the twin, with logs and a ledger of its own.")
        ] = False,
        speed: Annotated[float, typer.Option(min=0.1, max=1_000, help="How many times as fast, with --twin.")] = 4.0,
        visits: Annotated[int, typer.Option(min=1, max=500, help="Visits of that day.")] = 24,
        seed: Annotated[int, typer.Option(min=0, help="Who comes, and what they do.")] = 7,
    ) -> None:
        """Show a shop live: floor, shoppers, baskets, bills, the ledger's heads; take in what its boxes tell. Ctrl+C ends it."""
        if context.invoked_subcommand is not None:
            return
        from pydantic import SecretStr

        from serving.live.running import LiveConfig, check_host, run_live
        from serving.settings import ServeSettings
        from serving.settlement.ledger_settings import LedgerSettings
        from serving.settlement.shop_settings import ShopSettings

        day, home = None, context.obj()
        boxes = ServeSettings().boxes.get_secret_value()
        try:
            if twin:
                if make_day is None:
                    raise ValueError("--twin needs a full installation (`make setup`)")
                day = make_day(visits, seed)
                home = home / "shop-twin" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
                # None of what the environment names: a day of play never gets into a real shop's books.
                settings = ShopSettings(kafka="", kafka_user="", books=SecretStr(""), topics=TWIN, sources="")
                ledger = LedgerSettings(store=SecretStr(""), origin="twin.storeloop", key=None, keys="", tsa="")
            else:
                settings, ledger = ShopSettings(), LedgerSettings()
            config = LiveConfig(
                shop=TWIN if twin else shop,
                host=host,
                port=port,
                anywhere=anywhere,
                settle=settle or twin,
                boxes="" if twin else boxes,
                day=day,
                speed=speed,
            )
            check_host(config)
            run_live(config, settings, ledger, home, lambda: _say(config.host, port, home))
        except (ValueError, RuntimeError, OSError) as error:
            typer.echo(str(error), err=True)
            sys.exit(1)

    return live


def _say(host: str, port: int, home: Path) -> None:
    typer.echo(f"http://{host}:{port}/  (logs and ledger in {home}; Ctrl+C ends it)")
