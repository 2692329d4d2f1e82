"""The `storeloop` command. Sub-commands live in their rooms and are imported only when they are called."""

import gc
import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class LazyCommand:
    """Where a sub-command lives (`module:function` returning a Typer app) and its line in the help."""

    target: str
    help: str


COMMANDS: dict[str, LazyCommand] = {
    "demo": LazyCommand("orchestration.commands.demo:app", "Tables to a served champion on the twin, end to end."),
    "run": LazyCommand(
        "orchestration.commands.run:app", "Run a job or a selection of assets; unchanged work is skipped."
    ),
    "backfill": LazyCommand(
        "orchestration.commands.backfill:app", "Make chosen days anew, whatever they were made from, in one run."
    ),
    "twin": LazyCommand("orchestration.commands.twin:app", "Let the digital twin live on by a day or more."),
    "ui": LazyCommand("orchestration.commands.ui:app", "Dagster, MLflow and the validation site on loopback."),
    "evaluate": LazyCommand(
        "orchestration.commands.evaluate:app", "Train before a cutoff, score after it, beside baselines."
    ),
    "experiment": LazyCommand(
        "orchestration.commands.experiments:app", "Plan, assign, check and read A/B experiments."
    ),
    "features": LazyCommand(
        "orchestration.commands.features:app", "Every feature: what it means, its unit, the tables it needs."
    ),
    "customers": LazyCommand(
        "orchestration.commands.customers:app", "Show all that is known of a customer, or erase one on request."
    ),
    "models": LazyCommand("orchestration.commands.models:models_app", "Versions in the registry and who moved them."),
    "promote": LazyCommand(
        "orchestration.commands.models:promote_app", "Make a version the champion, if it passes the gate."
    ),
    "rollback": LazyCommand(
        "orchestration.commands.models:rollback_app", "Give the alias back to the champion before."
    ),
    "doctor": LazyCommand("orchestration.commands.doctor:app", "What this machine has, what is missing, what to do."),
    "quarantine": LazyCommand(
        "orchestration.commands.rooms:quarantine", "List, show, release or reject quarantined rows."
    ),
    "contracts": LazyCommand("orchestration.commands.rooms:contracts", "Read the data contracts."),
    "images": LazyCommand(
        "orchestration.commands.images:app", "Image sets: take in, report on labels, exchange with labelling tools."
    ),
    "enrol": LazyCommand(
        "orchestration.commands.gallery:enrol_app", "Make a product known to the detector from a few photos."
    ),
    "gallery": LazyCommand(
        "orchestration.commands.gallery:gallery_app", "List the products that the detector knows, or remove one."
    ),
    "serve": LazyCommand("orchestration.commands.rooms:serve", "Serve a bot on loopback."),
    "package": LazyCommand("orchestration.commands.rooms:package", "Build and containerise a bot's bento."),
    "shop": LazyCommand("orchestration.commands.rooms:shop", "An unmanned shop, live; its events, bills, reviews."),
    "ledger": LazyCommand(
        "orchestration.commands.rooms:ledger", "Signed heads, receipts and audits of what was settled."
    ),
    "edge": LazyCommand("edge.cli:app", "Build, verify, run, update and roll back edge bundles."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a sub-command only when it is called, and nothing for the help page."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The sub-command, imported now; a light stand-in while the help page is drawn."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=entry.help)
        module, _, attribute = entry.target.partition(":")
        loaded = getattr(importlib.import_module(module), attribute)
        command = typer.main.get_command(loaded if isinstance(loaded, typer.Typer) else loaded())
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw the help page from the table above."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


# A run loads libraries and builds expressions: millions of objects, few of them garbage. Python's own rhythm, a look at the
# young every 700 objects and at all too often, takes a tenth of a run.
GC_THRESHOLD = (50_000, 20, 50)

app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def storeloop() -> None:
    """Storeloop: data -> models -> decisions -> data, for an AI-enabled retailer."""


def main() -> None:
    """Entry point: telemetry off, then the command; expected errors are one clear line, not a traceback."""
    from models.common.telemetry import switch_off

    switch_off(os.environ)
    gc.set_threshold(*GC_THRESHOLD)
    try:
        app()
    except ValueError as error:
        # Every room raises its bad-input errors as ValueError with value, bound and remedy in the message.
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
