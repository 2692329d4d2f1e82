"""`storeloop doctor`: what this machine has, what is missing, and what to do about it."""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from orchestration.settings import SOURCE_FORMS, Settings
from orchestration.workspace import Workspace, code_revision

app = typer.Typer(add_completion=False)

PACKAGES = (
    "dagster",
    "mlflow",
    "feast",
    "great-expectations",
    "duckdb",
    "ibis-framework",
    "xgboost-cpu",
    "bentoml",
    "dvc",
)
TOOLS = {
    "chromium": "browser tests",
    "redis-server": "the Redis online store",
    "buildah": "containers",
    "podman": "containers",
    "java": "the Spark engine",
}
DISK_GB_MIN = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `needed` findings that are not ok make the command fail."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True


def examine(settings: Settings) -> list[Finding]:
    """Everything worth knowing before a run, nothing changed."""
    findings = [
        Finding("Python 3.11", sys.version_info[:2] == (3, 11), sys.version.split()[0], "run `make setup`"),
        *(_package(name) for name in PACKAGES),
    ]
    home = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    free = shutil.disk_usage(home).free / 1e9
    findings.append(
        Finding(
            "disk",
            free >= DISK_GB_MIN,
            f"{free:.0f} GB free at {home}",
            f"free {DISK_GB_MIN:g} GB or move STORELOOP_HOME",
        )
    )
    findings.append(Finding("home writable", os.access(home, os.W_OK), str(home), "set STORELOOP_HOME elsewhere"))
    findings.append(_source(settings))
    for tool, purpose in TOOLS.items():
        where = shutil.which(tool)
        findings.append(Finding(tool, where is not None, where or "absent", f"only for {purpose}", needed=False))
    return findings


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Examine the installation, the source and the tools beside it; exit 1 when something needed is missing."""
    settings = Settings()
    findings = examine(settings)
    healthy = all(f.ok for f in findings if f.needed)
    if as_json:
        body = {"healthy": healthy, "revision": code_revision(), "findings": [asdict(f) for f in findings]}
        typer.echo(json.dumps(body, indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"storeloop {version('storeloop')} at {code_revision()[:12]}")
        for column in ("", "what", "found", "remedy"):
            table.add_column(column)
        for f in findings:
            mark = "[green]ok[/]" if f.ok else "[bold red]missing[/]" if f.needed else "[yellow]absent[/]"
            table.add_row(mark, f.what, f.found, "" if f.ok else f.remedy)
        Console().print(table)
    raise typer.Exit(0 if healthy else 1)


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "absent", "run `make setup`")


def _source(settings: Settings) -> Finding:
    try:
        source = Workspace(settings).source
    except ValueError as error:
        return Finding(
            "source",
            False,
            str(error),
            f"set STORELOOP_SOURCE to one of {SOURCE_FORMS}",
        )
    return Finding("source", True, f"{source.name}: {', '.join(sorted(source.tables))}")
