"""Sub-commands that live in other rooms, given the folders that only orchestration's settings know."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from serving.live.play import Day


def _root() -> Path:
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    return Workspace(Settings()).root


def quarantine() -> "typer.Typer":
    """Data stewards' commands, in the room `data_checks`."""
    from data_checks.cli import build_app

    return build_app(_root)


def contracts() -> "typer.Typer":
    """The contracts as people read them."""
    from data_checks.cli import build_contracts_app

    return build_contracts_app()


def serve() -> "typer.Typer":
    """Deployers' command, in the room `serving`."""
    from serving.cli import build_serve_app

    return build_serve_app(lambda: _root() / "releases")


def package() -> "typer.Typer":
    """Build and containerise, in the room `serving`."""
    from serving.cli import build_package_app

    return build_package_app(lambda: _root() / "releases")


def shop() -> "typer.Typer":
    """The live shop and its checkout, in the room `serving`; the twin's day is made here, and reconciliation with the lake."""
    from orchestration.commands.shop import reconcile
    from serving.settlement.shop_cli import build_shop_app

    def make_day(visits: int, seed: int) -> "Day":
        try:
            from orchestration.shop_play import TwinDay
        except ModuleNotFoundError as error:
            raise ValueError(f"--twin needs a full installation (`make setup`): {error}") from error
        return TwinDay(visits, seed)

    app = build_shop_app(_root, make_day)
    app.command()(reconcile)
    return app


def ledger() -> "typer.Typer":
    """Heads, receipts and audits of the settlement's ledger, in the room `serving`."""
    from serving.settlement.ledger_cli import build_ledger_app

    return build_ledger_app(_root)
