"""The model registry: MLflow runs, versions, the aliases `champion` and `challenger`, and who moved them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from data_checks.durable import append_entry, locked, read_entries

CHAMPION = "champion"
CHALLENGER = "challenger"


class RegistryError(ValueError):
    """The registry cannot do what was asked; the message names the model, what it holds and the remedy."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of one model as people read it."""

    model: str
    version: int
    artifact_id: str
    trained_until: str
    data_fingerprint: str
    run_id: str
    aliases: tuple[str, ...]
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON types."""
        return {**asdict(self), "folder": str(self.folder), "aliases": list(self.aliases)}


@dataclass(frozen=True)
class Movement:
    """A promotion or a roll-back: what moved, who moved it, when and why."""

    model: str
    action: str
    version: int
    previous: int | None
    who: str
    when: str
    reason: str


class Registry:
    """MLflow's registry in one SQLite file and one artifact folder, without a server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tracking_uri = f"sqlite:///{root / 'mlflow.db'}"
        self.artifacts = root / "artifacts"
        self._movements = root / "movements.jsonl"

    def log_run(
        self,
        model: str,
        artifact: Path,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        pages: Mapping[str, bytes],
        tags: Mapping[str, str],
    ) -> str:
        """Record one training as an MLflow run with its artifact, pictures and pages; return the run id."""
        client = self._client()
        run = client.create_run(self._experiment(model), run_name=tags.get("artifact_id", model)[:12], tags=dict(tags))
        run_id = str(run.info.run_id)
        for name, value in params.items():
            client.log_param(run_id, name, str(value)[:500])
        for name, value in metrics.items():
            client.log_metric(run_id, name, float(value))
        client.log_artifacts(run_id, str(artifact), "artifact")
        folder = _local(str(run.info.artifact_uri)) / "report"
        folder.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            (folder / name).write_bytes(page)
        client.set_terminated(run_id)
        return run_id

    def register(self, model: str, run_id: str, *, tags: Mapping[str, str]) -> RegisteredVersion:
        """Register a run's artifact as a new version, alias `challenger`; the same artifact is registered once."""
        known = self.find(model, tags["artifact_id"])
        client = self._client()
        if known is None:
            if not self._is_registered(model):
                client.create_registered_model(model)
            source = f"{client.get_run(run_id).info.artifact_uri}/artifact"
            created = client.create_model_version(model, source=source, run_id=run_id, tags=dict(tags))
            known = self.version(model, int(created.version))
        client.set_registered_model_alias(model, CHALLENGER, str(known.version))
        return self.version(model, known.version)

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions of a model, newest first; empty when the model is unknown."""
        if not self._is_registered(model):
            return []
        client = self._client()
        by_version: dict[int, list[str]] = {}
        for alias, version in client.get_registered_model(model).aliases.items():
            by_version.setdefault(int(version), []).append(alias)
        found = client.search_model_versions(f"name='{model}'", max_results=1000)
        rows = [_read(v, tuple(sorted(by_version.get(int(v.version), ())))) for v in found]
        return sorted(rows, key=lambda row: -row.version)

    def version(self, model: str, version: int) -> RegisteredVersion:
        """One version; RegistryError names the known ones when it does not exist."""
        rows = self.versions(model)
        for row in rows:
            if row.version == version:
                return row
        known = ", ".join(str(row.version) for row in rows) or "none; run `storeloop run full` first"
        raise RegistryError(f"{model} has no version {version}; known versions: {known}")

    def find(self, model: str, artifact_id: str) -> RegisteredVersion | None:
        """The version that holds this artifact, if any."""
        return next((row for row in self.versions(model) if row.artifact_id == artifact_id), None)

    def champion(self, model: str) -> RegisteredVersion | None:
        """The version that serves now, or None before the first promotion."""
        return next((row for row in self.versions(model) if CHAMPION in row.aliases), None)

    def promote(self, model: str, version: int, *, who: str, reason: str) -> RegisteredVersion:
        """Make a version the champion. Promoting the champion again changes nothing."""
        check_signed("promote", who, reason)
        target = self.version(model, version)
        current = self.champion(model)
        if current is not None and current.version == version:
            return current
        self._move(model, target, "promote", None if current is None else current.version, who, reason)
        return self.version(model, version)

    def rollback(self, model: str, *, who: str, reason: str) -> RegisteredVersion:
        """Give the alias back to the champion before this one; the next roll-back goes one further back."""
        check_signed("rollback", who, reason)
        target = self.rollback_target(model)
        current = self.champion(model)
        self._move(model, target, "rollback", None if current is None else current.version, who, reason)
        return self.version(model, target.version)

    def rollback_target(self, model: str) -> RegisteredVersion:
        """The champion before this one; RegistryError when none stood before it."""
        current = self.champion(model)
        if current is None:
            raise RegistryError(f"{model} has no champion to roll back; promote a version first")
        way_back = way_of(self.movements(model), current.version)
        if len(way_back) < 2:
            raise RegistryError(
                f"{model} version {current.version} is the first champion: nothing stood before it; "
                "promote another version instead"
            )
        return self.version(model, way_back[-2])

    def rolled_back(self, model: str, version: int) -> Movement | None:
        """The roll-back that took a version out of service, unless it was promoted again since."""
        about = [m for m in self.movements(model) if version in (m.version, m.previous)]
        last = about[-1] if about else None
        return last if last is not None and last.action == "rollback" and last.previous == version else None

    def movements(self, model: str) -> list[Movement]:
        """Every promotion and roll-back of a model, oldest first."""
        rows = [Movement(**entry) for entry in read_entries(self._movements)]
        return [row for row in rows if row.model == model]

    def _move(
        self, model: str, target: RegisteredVersion, action: str, previous: int | None, who: str, reason: str
    ) -> None:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        row = Movement(model, action, target.version, previous, who.strip(), when, reason.strip())
        # Written before the alias moves: a kill in between leaves an intent without effect, never an unexplained move.
        with locked(self.root):
            append_entry(self._movements, asdict(row))
            self._client().set_registered_model_alias(model, CHAMPION, str(target.version))

    def _client(self) -> Any:
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # its migrations are no news to anybody
        self.root.mkdir(parents=True, exist_ok=True)
        return mlflow.MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _is_registered(self, model: str) -> bool:
        if not (self.root / "mlflow.db").exists():
            return False
        return bool(self._client().search_registered_models(f"name='{model}'"))

    def _experiment(self, model: str) -> str:
        client = self._client()
        known = client.get_experiment_by_name(model)
        if known is not None:
            return str(known.experiment_id)
        return str(client.create_experiment(model, artifact_location=(self.artifacts / model).as_uri()))


def check_signed(action: str, who: str, reason: str) -> None:
    """RegistryError when a move lacks a name or a reason."""
    if not who.strip() or not reason.strip():
        raise RegistryError(f"a {action} needs a name and a reason, got who={who!r}, reason={reason!r}")


def way_of(movements: Sequence[Movement], champion: int) -> list[int]:
    """Champions on the way to today's, which is last: a promotion adds one, a roll-back takes one off.

    A movement whose alias never moved (a kill came between) left no trace in the next one's `previous` and is passed
    over; an alias that was moved without a record is taken as it stands.
    """
    way: list[int] = []
    after = [*(m.previous for m in movements[1:]), champion]
    for moved, stood in zip(movements, after, strict=False):
        if moved.version != stood:
            continue
        if moved.previous is not None:
            _stand_on(way, moved.previous)
        if moved.action == "rollback":
            way.pop()
            _stand_on(way, moved.version)
        else:
            way.append(moved.version)
    _stand_on(way, champion)
    return way


def _stand_on(way: list[int], version: int) -> None:
    """Make a version the last of the way: back to where it stood, or one step on where it never did."""
    if version not in way:
        way.append(version)
    while way[-1] != version:
        way.pop()


def _read(version: Any, aliases: tuple[str, ...]) -> RegisteredVersion:
    tags = version.tags
    return RegisteredVersion(
        model=version.name,
        version=int(version.version),
        artifact_id=tags.get("artifact_id", ""),
        trained_until=tags.get("trained_until", ""),
        data_fingerprint=tags.get("data_fingerprint", ""),
        run_id=version.run_id or "",
        aliases=aliases,
        folder=_local(version.source),
    )


def _local(uri: str) -> Path:
    return Path(unquote(urlparse(uri).path)) if "://" in uri else Path(uri)
