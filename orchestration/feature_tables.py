"""State, Feast, training join, known future and online store, for the origins that the model plans."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from orchestration.fingerprints import Stamp, fingerprint
from orchestration.workspace import Workspace

HERE = "orchestration/feature_tables.py"


@dataclass(frozen=True)
class Plan:
    """Which origins the forecaster trains, validates, tests and serves from."""

    config: Any  # models.forecaster.config.Config
    origins: tuple[date, ...]
    last: date
    series: int


def forecaster_config(workspace: Workspace) -> Any:
    """The forecaster's Config: settings first, then the overrides of `params.yaml`."""
    from models.forecaster.config import Config

    settings = workspace.settings
    stated = {
        "frequency": workspace.source.frequency,
        "horizon": settings.horizon,
        "cutoff": settings.cutoff,
    }
    return Config(**{**stated, **settings.section("forecaster")})


def plan(workspace: Workspace) -> Plan:
    """Origins by `plan_origins` on the sales at hand, and the last period, which serving starts from."""
    import numpy as np

    from models.forecaster.data import plan_origins

    con = workspace.connect()
    sales = workspace.lake.read("gold", "sales", con)
    span = (
        sales.aggregate(first=sales.period_start.min(), last=sales.period_start.max(), series=sales.series_id.nunique())
        .to_pyarrow()
        .to_pylist()[0]
    )
    if span["first"] is None:
        raise ValueError(
            "demand/sales is empty: the source delivered no sales that passed the gate; see the validation site"
        )
    config = forecaster_config(workspace)
    split = plan_origins(np.datetime64(span["first"]), np.datetime64(span["last"]), config, n_series=span["series"])
    origins = sorted({*split.origins.astype("datetime64[D]").tolist(), span["last"]})
    return Plan(config, tuple(origins), span["last"], int(span["series"]))


def build_state(workspace: Workspace) -> dict[str, Any]:
    """Write `features/sales_state`."""
    from features.state import StateTables, state_features

    lake, planned = workspace.lake, plan(workspace)
    made_from = fingerprint(
        code=(HERE, "features/state.py"),
        inputs={
            "sales": lake.content_hash("gold", "sales"),
            "series": lake.content_hash("gold", "series"),
            "origins": planned.origins,
            "frequency": workspace.source.frequency,
        },
    )
    version = lake.version("features", "sales_state")
    unchanged = version is not None and version.fingerprint == made_from
    if not unchanged:
        con = workspace.connect()
        tables = StateTables(lake.read("gold", "sales", con), lake.read("gold", "series", con))
        rows = state_features(tables, frequency=workspace.source.frequency, origins=list(planned.origins))
        version = lake.write("features", "sales_state", rows, fingerprint=made_from, sort_by=("series_id", "origin"))
    assert version is not None
    return {
        "rows": version.rows,
        "series": planned.series,
        "origins": len(planned.origins),
        "features": len(version.columns) - 2,
        "unchanged": unchanged,
        "content_hash": version.content_hash,
    }


def build_known_future(workspace: Workspace) -> dict[str, Any]:
    """Write `features/known_future` for every (series, origin) of the state."""
    from features.known_future import covariate_names, known_future

    lake, planned = workspace.lake, plan(workspace)
    made_from = fingerprint(
        code=(HERE, "features/known_future.py"),
        inputs={
            "state": lake.content_hash("features", "sales_state"),
            "covariates": lake.content_hash("gold", "covariates"),
            "series": lake.content_hash("gold", "series"),
            "horizon": planned.config.horizon,
            "frequency": workspace.source.frequency,
        },
    )
    version = lake.version("features", "known_future")
    unchanged = version is not None and version.fingerprint == made_from
    if not unchanged:
        con = workspace.connect()
        covariates = lake.read("gold", "covariates", con)
        rows = known_future(
            covariates,
            lake.read("gold", "series", con),
            lake.read("features", "sales_state", con),
            horizon=planned.config.horizon,
            frequency=workspace.source.frequency,
            names=covariate_names(covariates),
        )
        version = lake.write(
            "features", "known_future", rows, fingerprint=made_from, sort_by=("series_id", "origin", "step")
        )
    assert version is not None
    return {
        "rows": version.rows,
        "covariates": [name for name, _ in version.columns[4:]],
        "unchanged": unchanged,
        "content_hash": version.content_hash,
    }


def repository(workspace: Workspace) -> Any:
    """The workspace's Feast repository; its name keeps workspaces apart that share a Redis."""
    from features.repository import Repository

    project = "".join(c if c.isalnum() else "_" for c in workspace.slug.lower())
    return Repository(
        folder=workspace.feast, online_store=workspace.settings.online_store, project=f"storeloop_{project}"[:63]
    )


def apply_feast(workspace: Workspace) -> dict[str, Any]:
    """`feast apply`, and the Parquet files of the views, when state, series, layout or store changed."""
    from features.repository import apply, publish_state

    lake, layout = workspace.lake, _layout(workspace)
    made_from = fingerprint(
        code=(HERE, "features/repository.py", "features/store", "features/known_future.py", "features/state.py"),
        inputs={**_feast_inputs(workspace, layout), "store": _store(workspace)},
    )
    stamp = Stamp(workspace.feast / "applied.json")
    if stamp.says(made_from):
        return {**stamp.facts(), "unchanged": True}
    con = workspace.connect()
    apply(repository(workspace), layout)
    state = lake.read("features", "sales_state", con)
    rows = publish_state(repository(workspace), layout, state, lake.read("gold", "series", con), con=con)
    facts = {"rows": rows, "features": len(layout.state_names)}
    stamp.write(made_from, facts)
    return {**facts, "unchanged": False}


def build_training_state(workspace: Workspace) -> dict[str, Any]:
    """Write `features/training_state`: Feast's point-in-time join on to every (series, origin) of the plan."""
    from features.training import training_frame

    lake = workspace.lake
    made_from = fingerprint(
        code=(HERE, "features/training.py", "features/repository.py", "features/store"),
        inputs=_feast_inputs(workspace, _layout(workspace)),
    )
    version = lake.version("features", "training_state")
    unchanged = version is not None and version.fingerprint == made_from
    if not unchanged:
        entities = lake.arrow("features", "sales_state", ["series_id", "origin"])
        frame = training_frame(repository(workspace).open(), entities)
        version = lake.write(
            "features", "training_state", frame, fingerprint=made_from, sort_by=("series_id", "origin")
        )
    assert version is not None
    entity_rows = lake.version("features", "sales_state")
    return {
        "rows": version.rows,
        "entities": entity_rows.rows if entity_rows else 0,
        "unchanged": unchanged,
        "content_hash": version.content_hash,
    }


def materialise_online(workspace: Workspace) -> dict[str, Any]:
    """Carry state and known future of every series' last origin to the online store."""
    from features.repository import materialise, publish_online

    last, lake, layout = plan(workspace).last, workspace.lake, _layout(workspace)
    made_from = fingerprint(
        code=(HERE, "features/repository.py", "features/store", "features/known_future.py", "features/state.py"),
        inputs={
            **_feast_inputs(workspace, layout),
            "known_future": lake.content_hash("features", "known_future"),
            "store": _store(workspace),
            "last": last,
        },
    )
    stamp = Stamp(workspace.feast / "materialised.json")
    if stamp.says(made_from):
        return {**stamp.facts(), "unchanged": True}
    con = workspace.connect()
    state = lake.read("features", "sales_state", con)
    ahead = lake.read("features", "known_future", con)
    rows = publish_online(repository(workspace), layout, state, ahead.filter(ahead.origin == last), con=con)
    materialise(repository(workspace).open())
    facts = {"series": rows, "origin": last.isoformat()}
    stamp.write(made_from, facts)
    return {**facts, "unchanged": False}


def _feast_inputs(workspace: Workspace, layout: Any) -> dict[str, Any]:
    """What Feast's registry and the files of its views are made from."""
    return {
        "state": workspace.lake.content_hash("features", "sales_state"),
        "series": workspace.lake.content_hash("gold", "series"),
        "layout": layout.fingerprint,
    }


def _store(workspace: Workspace) -> str:
    """Where the online store is, without its password."""
    return workspace.settings.online_store.rpartition("@")[2]


def _layout(workspace: Workspace) -> Any:
    from features.known_future import covariate_names
    from features.layout import Layout
    from features.state import state_feature_names

    frequency = workspace.source.frequency
    covariates = workspace.lake.read("gold", "covariates", workspace.connect())
    return Layout(
        frequency=frequency,
        state_names=state_feature_names(frequency),
        covariate_names=covariate_names(covariates),
        horizon=workspace.settings.horizon,
    )
