"""Sub-commands that live in other rooms, given the folders that only orchestration's settings know."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


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
    """Checkout: events to bills, in the room `serving`; its reconciliation with the lake."""
    from orchestration.commands.shop import reconcile
    from serving.settlement.shop_cli import build_shop_app

    app = build_shop_app(_root)
    app.command()(reconcile)
    return app


def ledger() -> "typer.Typer":
    """Heads, receipts and audits of the settlement's ledger, in the room `serving`."""
    from serving.settlement.ledger_cli import build_ledger_app

    return build_ledger_app(_root)
