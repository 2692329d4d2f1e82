"""State, Feast, training join, known future and online store, for the origins that the model plans."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.demand_days import blocks
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.ingest import TableOutcome, made_days
from orchestration.origin_inputs import future_inputs, marking_covariates, optional_tables, state_inputs
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import Layer, TableVersion

HERE = "orchestration/feature_tables.py"
FEAST_CODE = (HERE, "features/repository.py", "features/store", "features/known_future.py", "features/state.py")
# Rows that are read for one of the state, as blocks count them: beyond some 25,000 states at once the engine spills, and
# the time grows faster than the states (1,115 series: 12 origins take 4 s, 25 take 8 s and 103 at once 220 s).
SEEN_ROWS = 80
OFFLINE_STORE = ("features/offline_store.py",)  # Feast finds it by its name, so that following imports does not


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

    lake = workspace.lake
    sales, series = lake.version("gold", "sales"), lake.version("gold", "series")
    if sales is None or series is None or not sales.rows:
        raise ValueError(
            "demand/sales is empty: the source delivered no sales that passed the gate; see the validation site"
        )
    days = sorted(sales.partitions)
    config = forecaster_config(workspace)
    unit = str(lake.arrow("gold", "sales", ["unit"], days=days[-1:])["unit"][0])
    first, last = np.datetime64(days[0]), np.datetime64(days[-1])
    split = plan_origins(first, last, config, n_series=series.rows, unit=unit)
    newest = date.fromisoformat(days[-1])
    origins = sorted({*split.origins.astype("datetime64[D]").tolist(), newest})
    return Plan(config, tuple(origins), newest, series.rows)


def build_state(workspace: Workspace, *, force: Collection[str] = ()) -> TableOutcome:
    """Write `features/sales_state`: the origins of the plan, of which those are made whose view of the past changed.

    Origins among the days in `force` are made too.
    """
    from features.state import LOOKBACK_DAYS, StateTables, state_features

    planned = plan(workspace)
    made_from = state_inputs(workspace, planned.origins, LOOKBACK_DAYS)

    def make(origins: list[date], con: Any) -> Any:
        first, last = min(origins) - timedelta(days=LOOKBACK_DAYS), max(origins)

        def read(layer: "Layer", name: str) -> Any:
            version = workspace.lake.version(layer, name)
            cut = version is not None and version.partition_by is not None
            seen = _between(version.partitions, first, last) if cut and version else None
            return workspace.lake.read(layer, name, con, days=seen)

        optional = {name: read("clean", name) for name in optional_tables(workspace)}
        if marking_covariates(workspace):
            optional["marks"] = read("gold", "covariates")
        tables = StateTables(sales=read("gold", "sales"), series=read("gold", "series"), **optional)
        return state_features(tables, frequency=workspace.source.frequency, origins=origins)

    version, made = _update(
        workspace, "sales_state", made_from, make, force=force, sort_by=("series_id",), rows=planned.series * SEEN_ROWS
    )
    facts = {
        "rows": version.rows,
        "series": planned.series,
        "origins": len(planned.origins),
        "origins_made": len(made),
        "features": len(version.columns) - 2,
        "unchanged": not made,
        "content_hash": version.content_hash,
    }
    return TableOutcome(True, facts, made=made_days(version, made))


def build_known_future(workspace: Workspace, *, force: Collection[str] = ()) -> TableOutcome:
    """Write `features/known_future` for every (series, origin) of the state; `force` as in `build_state`."""
    from features.known_future import covariate_names, covariate_scopes, known_future
    from features.sales import PERIOD_DAYS

    lake, planned = workspace.lake, plan(workspace)
    horizon, frequency = planned.config.horizon, workspace.source.frequency
    made_from = future_inputs(workspace, planned.origins, horizon=horizon, period_days=PERIOD_DAYS[frequency])
    # A series that came or went at an origin has rows there to make or to drop.
    states = lake.version("features", "sales_state")
    counts = states.partitions if states else {}
    made_from = {origin: f"{said}/{counts.get(origin, 0)}" for origin, said in made_from.items()}

    def make(origins: list[date], con: Any) -> Any:
        covariates = lake.read("gold", "covariates", con)
        return known_future(
            covariates,
            lake.read("gold", "series", con),
            lake.read("features", "sales_state", con, days=[str(origin) for origin in origins]),
            horizon=horizon,
            frequency=frequency,
            names=covariate_names(covariates),
            scopes=covariate_scopes(covariates),
        )

    by, rows = ("series_id", "step"), planned.series * horizon
    version, made = _update(workspace, "known_future", made_from, make, force=force, sort_by=by, rows=rows)
    facts = {
        "rows": version.rows,
        "origins": len(planned.origins),
        "origins_made": len(made),
        "covariates": [name for name, _ in version.columns[4:]],
        "unchanged": not made,
        "content_hash": version.content_hash,
    }
    return TableOutcome(True, facts, made=made_days(version, made))


def _update(
    workspace: Workspace,
    table: str,
    made_from: dict[str, str],
    make: "Callable[[list[date], Any], Any]",
    *,
    force: Collection[str],
    sort_by: tuple[str, ...],
    rows: int,
) -> "tuple[TableVersion, list[str]]":
    """Make the origins whose inputs changed, or that are forced, in blocks; the version, and the origins made."""
    with workspace.lake.update("features", table, partition_by="origin", sort_by=sort_by, unique=True) as update:
        before = update.made_from()
        forced = frozenset(force)
        stale = sorted(origin for origin, said in made_from.items() if before.get(origin) != said or origin in forced)
        if update.before is not None and not stale and before.keys() == made_from.keys():
            return update.before, []
        for block in blocks(stale, rows):
            data = make([date.fromisoformat(origin) for origin in block], workspace.connect())
            update.put(data, made_from={origin: made_from[origin] for origin in block})
        return update.commit("by origin", days=made_from.keys()), stale


def _between(days: Iterable[str], first: date, last: date) -> list[str]:
    return [day for day in days if str(first) <= day <= str(last)]


def repository(workspace: Workspace) -> Any:
    """The workspace's Feast repository; its name keeps workspaces apart that share a Redis."""
    from features.repository import Repository

    project = "".join(c if c.isalnum() else "_" for c in workspace.slug.lower())
    settings = workspace.settings
    return Repository(
        folder=workspace.feast,
        online_store=settings.online_store,
        project=f"storeloop_{project}"[:63],
        memory_limit_gb=settings.memory_gb,
        threads=settings.threads,
    )


def apply_feast(workspace: Workspace) -> dict[str, Any]:
    """`feast apply` when layout or store changed; the Parquet files of the views when state or series did."""
    from features.repository import apply, publish_state

    lake, layout = workspace.lake, _layout(workspace)
    applied, published = Stamp(workspace.feast / "applied.json"), Stamp(workspace.feast / "published.json")
    bounds = [workspace.settings.memory_gb, workspace.settings.threads]
    definitions = fingerprint(
        code=FEAST_CODE, inputs={"layout": layout.fingerprint, "store": _store(workspace), "bounds": bounds}
    )
    made_from = fingerprint(code=FEAST_CODE, inputs=_feast_inputs(workspace, layout))
    if applied.says(definitions) and published.says(made_from):
        return {**published.facts(), "unchanged": True}
    if not applied.says(definitions):
        apply(repository(workspace), layout)
        applied.write(definitions, {})
    con = workspace.connect()
    state = lake.read("features", "sales_state", con)
    rows = publish_state(repository(workspace), layout, state, lake.read("gold", "series", con), con=con)
    facts = {"rows": rows, "features": len(layout.state_names)}
    published.write(made_from, facts)
    return {**facts, "unchanged": False}


def build_training_state(workspace: Workspace) -> dict[str, Any]:
    """Write `features/training_state`: Feast's point-in-time join on to every (series, origin) of the plan.

    Origins are joined anew whose state changed.
    """
    from features.training import training_frame

    lake, planned, layout = workspace.lake, plan(workspace), _layout(workspace)
    state = lake.version("features", "sales_state")
    assert state is not None
    code = ("features/training.py", "features/repository.py", "features/store", *OFFLINE_STORE)
    common = fingerprint(code=(HERE, *code), inputs={"layout": layout.fingerprint})
    made_from = {origin: f"{common}/{digest}" for origin, digest in state.digests().items()}

    def make(origins: list[date], _con: Any) -> Any:
        entities = lake.arrow("features", "sales_state", ["series_id", "origin"], days=[str(o) for o in origins])
        return training_frame(repository(workspace).open(), entities)

    version, made = _update(
        workspace, "training_state", made_from, make, force=(), sort_by=("series_id",), rows=planned.series
    )
    return {
        "rows": version.rows,
        "entities": state.rows,
        "origins_made": len(made),
        "unchanged": not made,
        "content_hash": version.content_hash,
    }


def materialise_online(workspace: Workspace) -> dict[str, Any]:
    """Carry state and known future of every series' last origin to the online store."""
    from features.repository import materialise, publish_online

    last, lake, layout = plan(workspace).last, workspace.lake, _layout(workspace)
    made_from = fingerprint(
        code=FEAST_CODE,
        inputs={
            **_feast_inputs(workspace, layout),
            "known_future": lake.content_hash("features", "known_future"),
            "store": _store(workspace),
            "last": last,
        },
    )
    stamp = Stamp(workspace.feast / "materialised.json")
    published = stamp.says(made_from)
    if published and (workspace.feast / "online.db").is_file() and workspace.settings.online_store == "sqlite":
        return {**stamp.facts(), "written": 0, "unchanged": True}
    if not published:
        con = workspace.connect()
        state, ahead = (lake.read("features", name, con, days=[str(last)]) for name in ("sales_state", "known_future"))
        publish_online(repository(workspace), layout, state, ahead, con=con)
    carried = materialise(repository(workspace).open())  # a server may have lost what it once had
    facts = {"series": carried.series, "origin": last.isoformat()}
    stamp.write(made_from, facts)
    return {**facts, "written": carried.written, "unchanged": not carried.written}


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
    marked = {"promotions", "marks"} if marking_covariates(workspace) else set[str]()
    return Layout(
        frequency=frequency,
        state_names=state_feature_names(frequency, {"sales", "series", *optional_tables(workspace), *marked}),
        covariate_names=covariate_names(covariates),
        horizon=workspace.settings.horizon,
    )
