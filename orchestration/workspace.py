"""Where one source's tables, models and pages lie, and how its engines are opened."""

import hashlib
import json
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.settings import Settings

if TYPE_CHECKING:
    from data_checks.lake import Lake
    from data_checks.quarantine import Quarantine
    from data_checks.tombstones import Tombstones
    from data_checks.validation_history import ValidationHistory
    from orchestration.positions import Positions
    from orchestration.registry import Registry
    from sources.base import Source


@dataclass(frozen=True)
class Workspace:
    """One source, one folder: `<home>/<slug>/`, so that a shop's models never meet another shop's tables."""

    settings: Settings

    @cached_property
    def root(self) -> Path:
        """Folder of this source's workspace."""
        return self.settings.home / self.slug

    @cached_property
    def slug(self) -> str:
        """Folder name of the source: readable first, a short hash where a path or a parameter file is part of it."""
        kind, _, where = self.settings.source.partition(":")
        if kind == "twin":
            name = f"twin-{self.settings.twin_size}-{self.settings.twin_seed}"
            params = self.settings.twin_params
            return f"{name}-{_short(params.read_bytes())}" if params else name
        folder = Path(where).expanduser().resolve()
        return f"{kind}-{folder.name}-{_short(str(folder).encode())}"

    @cached_property
    def source(self) -> "Source":
        """The source that feeds this workspace."""
        from sources.open import TwinOptions, open_source

        options = TwinOptions(
            size=self.settings.twin_size,
            seed=self.settings.twin_seed,
            params_file=self.settings.twin_params,
            days=self.settings.twin_days or self.twin_clock.days(),
            spool=self.spool,
        )
        return open_source(self.settings.source, twin=options)

    @property
    def twin_clock(self) -> "TwinClock":
        """How long the twin of this workspace has lived."""
        return TwinClock(self.root / "twin_clock.json")

    @cached_property
    def lake(self) -> "Lake":
        """The Parquet tables of every layer."""
        from data_checks.lake import Lake

        return Lake(self.root / "lake", memory_limit_gb=self.settings.memory_gb)

    @cached_property
    def quarantine(self) -> "Quarantine":
        """Rows that broke a rule, and what the steward decided on them."""
        from data_checks.quarantine import Quarantine

        return Quarantine(self.root)

    @property
    def tombstones(self) -> "Tombstones":
        """Customers who were erased, whom no source brings back."""
        from data_checks.tombstones import Tombstones

        return Tombstones(self.root)

    @cached_property
    def history(self) -> "ValidationHistory":
        """What the gate said, run after run."""
        from data_checks.validation_history import ValidationHistory

        return ValidationHistory(self.root)

    @cached_property
    def registry(self) -> "Registry":
        """Runs, versions and aliases."""
        from orchestration.registry import Registry

        return Registry(self.root / "registry")

    @property
    def spool(self) -> Path:
        """One-pass export of a source that is made rather than read."""
        return self.root / "spool"

    @property
    def site(self) -> Path:
        """The validation site."""
        return self.root / "validation_site"

    @property
    def dagster_home(self) -> Path:
        """Dagster's run and event storage."""
        return self.root / "dagster"

    @property
    def releases(self) -> Path:
        """Release folders and the pointer that running services follow."""
        return self.root / "releases"

    @property
    def feast(self) -> Path:
        """Feast's registry, its Parquet sources and the embedded online store."""
        return self.root / "feast"

    @property
    def feast_customers(self) -> Path:
        """Feast's repository of customers, apart from that of series."""
        return self.root / "feast_customers"

    @property
    def positions(self) -> "Positions":
        """Raw positions of persons in the shop, until they expire."""
        from orchestration.positions import Positions

        return Positions(self.root / "positions")

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold this workspace alone: one run, promotion or roll-back at a time; others wait."""
        from data_checks.durable import locked

        return locked(self.root / "run")

    def connect(self, engine: str | None = None) -> Any:
        """A fresh connection to the table engine of the settings, or to another one, bounded in memory."""
        from features.engine import connect

        url = self.settings.engine if engine is None else engine
        return connect(url, memory_limit_gb=self.settings.memory_gb, threads=self.settings.threads)


@dataclass(frozen=True)
class TwinClock:
    """The day to which somebody let the twin live on; a twin that nobody moved has lived the days of its parameters."""

    path: Path

    def days(self) -> int | None:
        """Days lived; None before the first move."""
        return int(json.loads(self.path.read_text(encoding="utf-8"))["days"]) if self.path.is_file() else None

    def move(self, days: int) -> None:
        """Let `days` be lived from now on."""
        from data_checks.durable import replace_file

        replace_file(self.path, lambda draft: draft.write_text(json.dumps({"days": days}), encoding="utf-8"))


def code_revision() -> str:
    """The commit this code stands at, with `+` when files differ from it; `unknown` outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        state = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if state.stdout.strip() else "")


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
