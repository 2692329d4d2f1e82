"""Attention and dwell in the shop: the challenger, what the network tells of every visit, and where people spend their time."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.challengers import (
    absence,
    current_challenger,
    make_challenger,
    record_absence,
    register_challenger,
)
from orchestration.fingerprints import fingerprint
from orchestration.floor_tables import Delivery, absent, behaviour_config, land, morning_after, no_floor
from orchestration.floors import REMEDY, shop_days
from orchestration.ingest import TableOutcome
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from models.behaviour.data import Dataset
    from models.behaviour.predict import Predictor
    from models.behaviour.train import Trained
    from models.common.report import Report

MODEL = "behaviour"
HEADLINE = ("attention RMSE", "misplaced share", "rank correlation", "dwell error", "CRPS of what is left")
LEAST_S = 0.05  # of attention that is worth a row
_TOGETHER = 400  # visits asked about at once
_OF_DAY = ("tracks", "shelf_events", "looks", "stops")
_CODE = ("models/behaviour", "orchestration/watching.py")


def floor_of_model(workspace: Workspace, *, panel: bool, days: "list[str] | None" = None) -> "dict[str, pa.Table]":
    """The tables that `models.behaviour.data.prepare` takes, of days whose positions live: of all visits, or of the `panel` alone.

    Errors: ValueError where all positions expired.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lake, held = workspace.lake, workspace.positions
    days = sorted(held.days("floor_tracks")) if days is None else days
    lanes = lake.arrow("clean", "floor_lanes")
    visits = lake.arrow("clean", "floor_visits", days=days)
    if panel:
        visits = visits.filter(visits["panel"])
    places = ("gondola", "x", "y", "facing_x", "facing_y", "width_m")
    tables = {
        "gondolas": lanes.select(places).group_by(list(places)).aggregate([]).select(places),
        "lanes": lanes,
        "visits": visits,
        "mat_activity": lake.arrow("clean", "floor_mat_activity", days=days),
    }
    ids: Any = pa.array(visits["visit_id"].to_pylist(), pa.string())
    for name in _OF_DAY:
        rows = held.read(f"floor_{name}", days)
        tables[name] = rows.filter(pc.is_in(rows["visit_id"], ids))
    return tables


def dataset(workspace: Workspace, *, panel: bool = True) -> "Dataset":
    """The days whose positions live. Errors: DataError where there are too few."""
    from models.behaviour.data import prepare

    return prepare(floor_of_model(workspace, panel=panel), behaviour_config(workspace.settings))


def train_challenger(workspace: Workspace, *, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Train on the panel and judge; where no floor is watched, or too little of it, `provided` says so."""
    from models.common.protocols import DataError

    settings = workspace.settings
    if remedy := no_floor(workspace):
        return _without(workspace, remedy)
    config = behaviour_config(settings)

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{fraction:4.0%} {stage}")

    def make() -> "tuple[Trained, Report]":
        from models.behaviour.evaluate import evaluate
        from models.behaviour.train import train

        data = dataset(workspace)
        trained = train(data, config, seed=settings.seed, on_progress=tell)
        return trained, evaluate(trained.predictor(), data, on_progress=tell)

    inputs = {"tables": _contents(workspace), "config": config.model_dump(mode="json"), "seed": settings.seed}
    try:
        return make_challenger(workspace, MODEL, fingerprint(code=_CODE, inputs=inputs), make, headline=HEADLINE)
    except DataError as error:
        return _without(workspace, str(error))


def register(workspace: Workspace) -> dict[str, Any]:
    """The challenger in the registry; where there is none, why."""
    remedy = no_floor(workspace) or absence(workspace, MODEL)
    return register_challenger(workspace, MODEL) if remedy is None else not_provided(remedy)


def tell_attention(workspace: Workspace, *, run_id: str) -> TableOutcome:
    """`clean/attention` of every day whose positions live and that was not told yet, by the network in place: a later one has
    learned from looks of that very day. A day is told again if what was sensed of it has changed, or verdicts on its rows."""
    from models.behaviour.predict import load

    if remedy := no_floor(workspace) or absence(workspace, MODEL):
        return absent(workspace, "attention", remedy)
    artifact = current_challenger(workspace, MODEL).artifact
    made = {table: workspace.positions.days(table) for table in ("floor_tracks", "floor_shelf_events")}
    made_from = {
        day: fingerprint(code=(), inputs={"tracks": said, "events": made["floor_shelf_events"].get(day)})
        for day, said in made["floor_tracks"].items()
    }

    def read(days: list[str]) -> "pa.Table":
        import pyarrow as pa

        model = load(artifact)
        parts = (part for day in days for part in _parts(floor_of_model(workspace, panel=False, days=[day])))
        return pa.concat_tables([_told(model, part) for part in parts])

    return land(workspace, "attention", Delivery(made_from, read), run_id=run_id)


def _parts(tables: "dict[str, pa.Table]") -> "Iterator[dict[str, pa.Table]]":
    """A day's tables in parts of some visits: a predictor refuses more at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for start in range(0, max(tables["visits"].num_rows, 1), _TOGETHER):
        visits = tables["visits"].slice(start, _TOGETHER)
        ids: Any = pa.array(visits["visit_id"].to_pylist(), pa.string())
        tracks = tables["tracks"].filter(pc.is_in(tables["tracks"]["visit_id"], ids))
        if tracks.num_rows:
            yield tables | {"visits": visits, "tracks": tracks}


def _told(model: "Predictor", tables: "Mapping[str, pa.Table]") -> "pa.Table":
    """Rows of `attention` of one day."""
    import numpy as np
    import pyarrow as pa

    from models.behaviour.data import ask
    from models.behaviour.visits import by_visit

    asked = ask(tables)
    told = by_visit(model.predict(asked.request), asked.visit, model.shop)
    visit, product = np.nonzero(told.seconds >= LEAST_S)
    of = {row["visit_id"]: row for row in tables["visits"].to_pylist()}
    rows = [of[asked.visits[number]] for number in visit.tolist()]
    return pa.table(
        {
            "visit_id": pa.array([row["visit_id"] for row in rows], pa.string()),
            "day": pa.array([row["day"] for row in rows], pa.date32()),
            "customer_id": pa.array([row["customer_id"] for row in rows], pa.string()),
            "product_id": pa.array([model.shop.products[number] for number in product.tolist()], pa.string()),
            "seconds": told.seconds[visit, product],
            "seconds_low": told.low[visit, product],
            "seconds_high": told.high[visit, product],
            "dwell_s": told.dwell_s[visit, product],
        }
    )


def draw_heat_map(workspace: Workspace) -> dict[str, Any]:
    """Where people spend their time, and what they look at: pictures of groups alone."""
    import pyarrow.compute as pc

    from models.behaviour.heat_map import heat_map, heat_map_plot
    from models.behaviour.plots import products_plot
    from models.common.protocols import DataError
    from orchestration.image_pictures import markdown

    if remedy := no_floor(workspace):
        return not_provided(remedy)
    group_min = behaviour_config(workspace.settings).group_min
    try:
        data = dataset(workspace, panel=False)
    except DataError as error:
        return not_provided(str(error))
    heat = heat_map(data, group_min=group_min)
    told = workspace.lake.arrow("features", "product_attention")
    sums = told.group_by("product_id").aggregate([("seconds", "sum")]).sort_by([("seconds_sum", "descending")])
    said = f"Told of groups of at least {group_min} visits; {heat.withheld} pairs of day and cell are withheld."
    return {
        "pairs_withheld": heat.withheld,
        "product_days": told.num_rows,
        "seconds": float(pc.sum(told["seconds"]).as_py() or 0.0),
        "floor": markdown(said, heat_map_plot(heat, data.shop)),
        "products": markdown(said, products_plot(sums["product_id"].to_pylist(), sums["seconds_sum"].to_numpy())),
    }


def expire(workspace: Workspace) -> dict[str, Any]:
    """Delete raw positions and salts that are older than the promise, also of a floor no longer watched; safe to repeat."""
    from orchestration.disguise import salts_of

    if not shop_days(workspace):
        return not_provided(REMEDY)
    today, salts = morning_after(workspace), salts_of(workspace)
    there = len(salts.days())
    gone = workspace.positions.expire(behaviour_config(workspace.settings), workspace.quarantine, today=today)
    return {"today": today.isoformat(), **gone, "salts": there - len(salts.destroy(today=today))}


def _contents(workspace: Workspace) -> dict[str, str]:
    held = {f"floor_{name}": workspace.positions.content_hash(f"floor_{name}") for name in _OF_DAY}
    lake = {name: workspace.lake.content_hash("clean", name) for name in ("floor_lanes", "floor_mat_activity")}
    days = workspace.positions.days("floor_tracks")
    visits = workspace.lake.arrow("clean", "floor_visits", ["visit_id", "persons", "panel"], days=days)
    # Whose account pays is nothing to the network: an erasure must not train it anew.
    return held | lake | {"visits": fingerprint(code=(), inputs={"rows": visits.sort_by("visit_id").to_pylist()})}


def _without(workspace: Workspace, remedy: str) -> dict[str, Any]:
    record_absence(workspace, MODEL, remedy)
    return not_provided(remedy)
