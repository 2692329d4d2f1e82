"""Customer profiles: purchases and behaviour from clean tables, the challenger, the scores of every customer."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestration.absence import NOBODY, not_provided
from orchestration.challengers import current_challenger, make_challenger, record_absence
from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from models.common.report import Report
    from models.profiles.config import Config
    from models.profiles.data import Dataset
    from models.profiles.predict import Predictor
    from models.profiles.train import Trained

MODEL = "profiles"
HEADLINE = ("ari", "silhouette", "bootstrap ari", "number of segments", "conversions", "lift over random")
SCORES = "customer_profiles"
CODE = ("orchestration/profiling.py", "features/customer_behaviour.py")
READ = ("events", "transactions", "products", "sessions", "customers")


def build_purchases(workspace: Workspace) -> dict[str, Any]:
    """Write `features/customer_purchases`; of a source that knows no customers an empty table."""
    from features.customer_behaviour import build_customer_purchases

    return _write(
        workspace,
        "customer_purchases",
        ("events", "transactions", "products"),
        lambda read: build_customer_purchases(**read),
    )


def build_behaviour(workspace: Workspace) -> dict[str, Any]:
    """Write `features/customer_behaviour`."""
    from features.customer_behaviour import build_customer_behaviour, build_customer_purchases

    def make(read: dict[str, Any]) -> Any:
        purchases = build_customer_purchases(
            **{n: read[n] for n in ("events", "transactions", "products") if n in read}
        )
        seen = {name: read[name] for name in ("events", "sessions", "customers") if name in read}
        return build_customer_behaviour(purchases, **seen)

    return _write(workspace, "customer_behaviour", READ, make)


def profiles_config(workspace: Workspace) -> "Config":
    """The Config of profiles with the overrides of `params.yaml`."""
    from models.profiles.config import Config

    return Config(**workspace.settings.section(MODEL))


def dataset(workspace: Workspace) -> "Dataset":
    """The data set of profiles from the lake. Errors: DataError where there is too little."""
    from models.profiles.data import prepare

    lake = workspace.lake
    tables = {name: lake.arrow("features", name) for name in ("customer_behaviour", "customer_purchases")}
    return prepare({**tables, "friendships": _friendships(workspace)}, profiles_config(workspace))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train and judge; a source that knows no customers who bought, or too few, gets no profiles, and `provided` says so."""
    from models.common.protocols import DataError

    settings = workspace.settings
    purchases = workspace.lake.version("features", "customer_purchases")
    if purchases is None or not purchases.rows:
        return _without(workspace, NOBODY)
    config = profiles_config(workspace)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.profiles.evaluate import evaluate
        from models.profiles.train import train
        from orchestration.twin_campaigns import twin_campaigns

        data = dataset(workspace)
        began = time.perf_counter()
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        seconds = time.perf_counter() - began
        world = twin_campaigns(workspace.source)
        report = evaluate(
            trained.predictor(),
            data,
            world=world,
            truth=world,
            train_seconds=seconds,
            seed=settings.seed,
            on_progress=tell,
        )
        return trained, report

    inputs = {**_read_hashes(workspace), "config": config.model_dump(mode="json"), "seed": settings.seed}
    made_from = fingerprint(code=("models/profiles", "orchestration/twin_campaigns.py"), inputs=inputs)
    try:
        return make_challenger(workspace, MODEL, made_from, make, headline=HEADLINE)
    except DataError as error:
        return _without(workspace, str(error))


def write_scores(workspace: Workspace) -> dict[str, Any]:
    """Write `features/customer_profiles`: segment, recency, orders, spend, influence and embedding of every customer."""
    from models.common.artifact import read_artifact
    from models.profiles.predict import load

    purchases = workspace.lake.version("features", "customer_purchases")
    if purchases is None or not purchases.rows:
        return not_provided(NOBODY)
    artifact = current_challenger(workspace, MODEL).artifact
    made_from = fingerprint(
        code=(*CODE, "models/profiles"),
        inputs={**_read_hashes(workspace), "artifact": read_artifact(artifact).artifact_id},
    )
    version = workspace.lake.version("features", SCORES)
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        rows = _score_rows(load(artifact), dataset(workspace))
        version = workspace.lake.write("features", SCORES, rows, fingerprint=made_from, sort_by=("customer_id",))
    return {"rows": version.rows, "unchanged": unchanged, "content_hash": version.content_hash}


def _score_rows(predictor: "Predictor", data: "Dataset") -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    from models.profiles.evaluate import EVER
    from models.profiles.follows import count_follows
    from models.profiles.influence import tell_influence
    from models.profiles.predict import ProfileInput
    from models.profiles.rfm import rfm
    from models.profiles.spread import influence

    reply = predictor.predict(ProfileInput(data.sums))
    recency, orders, spend = rfm(data.sums).T
    moved, embedding = np.zeros(len(data.customers)), np.zeros((len(data.customers), predictor.spec.width))
    if predictor.network is not None:
        follows = count_follows(data, predictor.spec.follow_days, -EVER, EVER)
        told = tell_influence(predictor.network, data, predictor.scaled(data.sums), follows, predictor.spec.width)
        moved, embedding = influence(data.ties, told.strength, len(data.customers)), told.embedding
    return pa.table(
        {
            "customer_id": data.customers.tolist(),
            "segment": reply.segment,
            "segment_name": reply.name.tolist(),
            "confidence": reply.confidence,
            "recency_days": recency,
            "orders": orders,
            "spend": spend,
            "influence": moved,
            "embedding": pa.array(embedding.tolist(), pa.list_(pa.float64())),
        }
    )


def _write(
    workspace: Workspace, name: str, sources: tuple[str, ...], make: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """`features/<name>` from those clean tables that the source has, unless it was made from the very same."""
    lake, provided = workspace.lake, workspace.source.tables
    made_from = fingerprint(code=CODE, inputs={table: lake.content_hash("clean", table) for table in sources})
    version = lake.version("features", name)
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        con = workspace.connect()
        rows = make({table: lake.read("clean", table, con) for table in sources if table in provided})
        version = lake.write("features", name, rows, fingerprint=made_from, sort_by=("customer_id",))
    return {"rows": version.rows, "unchanged": unchanged, "content_hash": version.content_hash}


def _friendships(workspace: Workspace) -> "pa.Table":
    import pyarrow as pa

    if "friendships" in workspace.source.tables:
        return workspace.lake.arrow("clean", "friendships")
    return pa.table(
        {
            "customer_id": pa.nulls(0, pa.string()),
            "friend_id": pa.nulls(0, pa.string()),
            "since": pa.nulls(0, pa.date32()),
        }
    )


def _read_hashes(workspace: Workspace) -> dict[str, str]:
    lake = workspace.lake
    return {
        "customer_behaviour": lake.content_hash("features", "customer_behaviour"),
        "customer_purchases": lake.content_hash("features", "customer_purchases"),
        "friendships": lake.content_hash("clean", "friendships"),
    }


def _without(workspace: Workspace, remedy: str) -> dict[str, Any]:
    record_absence(workspace, MODEL, remedy)
    return not_provided(remedy)
