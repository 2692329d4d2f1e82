"""Customers: their state at the newest moments, what is online of them, and the one row that tells all of a customer."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.feature_tables import repository as demand_repository
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from features.customer_facts import CustomerTables

CODE = ("orchestration/customers.py", "features/customers.py", "features/customer_repository.py", "features/store")
TABLES = ("events", "transactions", "sessions", "impressions", "customers", "friendships", "products", "promotions")
FACTS = TABLES[:4]
PROFILES = "customer_profiles"
ATTENTION = "customer_attention"
WEEKS = 4  # moments of the state that training may join to: the newest, and one a week before it
BEGINNING = date(1970, 1, 1)  # newest day of a source that knows no times; what it tells is known at any moment
PROFILE_FIELDS = {
    "segment": ("number of the segment that the profiles put the customer into", "number"),
    "segment_name": ("that segment as a marketer calls it", "text"),
    "influence": ("how far the customer moves friends, by the profiles' graph network", "score"),
}
CUSTOMER_FIELDS = {
    "registered_on": ("day on which the customer registered", "date"),
    "region": ("region in which the customer lives", "text"),
    "home_store_id": ("store that the customer named as theirs", "text"),
    "birth_year": ("year of birth, if told", "year"),
    "marketing_consent": ("whether the customer agreed to be sent offers", "yes/no"),
}


def repository(workspace: Workspace) -> Any:
    """The Feast repository of customers."""
    demand = demand_repository(workspace)
    return demand.model_copy(
        update={"folder": workspace.feast_customers, "project": f"{demand.project[:53]}_customers"}
    )


def applied_repository(workspace: Workspace) -> Any:
    """The same with its views applied to Feast's registry, once for each set of tables and definitions."""
    from features.customer_repository import apply_customers

    made, provided = repository(workspace), sorted(_provided(workspace))
    store_at = workspace.settings.online_store.rpartition("@")[2]
    applied = Stamp(workspace.feast_customers / "applied.json")
    definitions = fingerprint(code=CODE, inputs={"tables": provided, "store": store_at})
    if not applied.says(definitions):
        apply_customers(made, provided)
        applied.write(definitions, {})
    return made


def build_state(workspace: Workspace) -> dict[str, Any]:
    """Write `features/customer_state` at the end of the newest day and of days a week apart before it."""
    from features.customers import customer_state, everybody

    lake, made_from = workspace.lake, fingerprint(code=CODE, inputs=_inputs(workspace))
    version = lake.version("features", "customer_state")
    unchanged = version is not None and version.fingerprint == made_from
    newest = _newest_moment(workspace)
    if version is None or not unchanged:
        con = workspace.connect()
        tables = customer_tables(workspace, con)
        moments = [newest - timedelta(weeks=week) for week in range(WEEKS)]
        asked = everybody(tables, moments[0])
        for moment in moments[1:]:
            asked = asked.union(everybody(tables, moment))
        version = lake.write(
            "features",
            "customer_state",
            customer_state(tables, asked),
            fingerprint=made_from,
            sort_by=("customer_id", "moment"),
        )
    return {
        "rows": version.rows,
        "newest": newest.isoformat(),
        "unchanged": unchanged,
        "content_hash": version.content_hash,
    }


def materialise_online(workspace: Workspace) -> dict[str, Any]:
    """Apply Feast's repository of customers, publish their state for training, and carry what changed online."""
    from features.customer_repository import (
        materialise_customers,
        publish_customer_state,
        publish_customers,
    )

    lake, made = workspace.lake, applied_repository(workspace)
    published = Stamp(workspace.feast_customers / "published.json")
    profiles = lake.content_hash("features", PROFILES)
    made_from = fingerprint(code=CODE, inputs={**_inputs(workspace), PROFILES: profiles})
    if not published.says(made_from):
        con = workspace.connect("duckdb://")
        told = lake.read("features", PROFILES, con) if lake.version("features", PROFILES) else None
        publish_customer_state(made, lake.read("features", "customer_state", con), con=con)
        publish_customers(made, customer_tables(workspace, con), _newest_moment(workspace), con=con, profiles=told)
        published.write(made_from, {})
    carried = materialise_customers(made.open())  # a server may have lost what it once had
    return {"customers": carried.series, "written": carried.written, "unchanged": not carried.written}


def build_360(workspace: Workspace) -> dict[str, Any]:
    """Write `features/customer_360`, one row per customer, and `features/customer_360_fields`, where each field is from."""
    import ibis
    import pyarrow as pa

    from features.attention_registry import CUSTOMER_VIEW, features_of

    lake = workspace.lake
    profiles = lake.version("features", PROFILES)
    inputs = {name: lake.content_hash("features", name) for name in ("customer_state", PROFILES, ATTENTION)}
    made_from = fingerprint(code=CODE, inputs={**inputs, "customers": lake.content_hash("clean", "customers")})
    version = lake.version("features", "customer_360")
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        con = workspace.connect()
        rows = lake.read("features", "customer_state", con)
        rows = rows.filter(rows.moment == _newest_moment(workspace)).rename(as_of="moment")
        if "customers" in _provided(workspace):
            rows = _beside(rows, lake.read("clean", "customers", con), tuple(CUSTOMER_FIELDS))
        if profiles is not None:
            there = {name for name, _ in profiles.columns}
            told = tuple(name for name in PROFILE_FIELDS if name in there)
            rows = _beside(rows, lake.read("features", PROFILES, con), told)
        if lake.version("features", ATTENTION) is not None:
            looked = lake.read("features", ATTENTION, con)
            newest = looked.filter(looked.moment == looked.moment.max().over(ibis.window(group_by="customer_id")))
            rows = _beside(rows, newest, tuple(feature.name for feature in features_of(CUSTOMER_VIEW)))
        version = lake.write("features", "customer_360", rows, fingerprint=made_from, sort_by=("customer_id",))
        lineage = pa.Table.from_pylist(_lineage([name for name, _ in version.columns]))
        lake.write("features", "customer_360_fields", lineage, fingerprint=made_from, sort_by=("field",))
    return {"rows": version.rows, "fields": len(version.columns), "unchanged": unchanged}


def customer_360(workspace: Workspace, customer_id: str) -> list[dict[str, Any]]:
    """Every field of one customer with value, unit, meaning, tables and moment. Errors: ValueError for an unknown one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if workspace.lake.version("features", "customer_360") is None:
        raise ValueError("features/customer_360 was never made: run `storeloop run +features/customer_360`")
    rows = workspace.lake.arrow("features", "customer_360")
    found = rows.filter(pc.equal(rows["customer_id"], pa.scalar(customer_id))).to_pylist()
    if not found:
        raise ValueError(f"customer {customer_id!r} is not known: never seen, or erased")
    lineage = workspace.lake.arrow("features", "customer_360_fields").to_pylist()
    return [{**each, "value": found[0][each["field"]], "as_of": found[0]["as_of"]} for each in lineage]


def customer_tables(workspace: Workspace, con: Any) -> "CustomerTables":
    """The clean tables that the source has."""
    from features.customer_facts import CustomerTables

    return CustomerTables(**{name: workspace.lake.read("clean", name, con) for name in _provided(workspace)})


def _provided(workspace: Workspace) -> frozenset[str]:
    return frozenset(TABLES) & workspace.source.tables


def _inputs(workspace: Workspace) -> dict[str, Any]:
    return {name: workspace.lake.content_hash("clean", name) for name in TABLES}


def _newest_moment(workspace: Workspace) -> datetime:
    """The end of the newest day of which any fact tells."""
    days: list[str] = [str(BEGINNING)]
    for name in frozenset(FACTS) & workspace.source.tables:
        if version := workspace.lake.version("clean", name):
            days += [day for day in version.partitions if day != "undated"]
    return datetime.combine(date.fromisoformat(max(days)) + timedelta(days=1), datetime.min.time())


def _beside(rows: Any, other: Any, names: tuple[str, ...]) -> Any:
    told = other.select(told="customer_id", **{name: other[name] for name in names})
    return rows.left_join(told, rows.customer_id == told.told).drop("told")


def _lineage(columns: list[str]) -> list[dict[str, Any]]:
    """Meaning, unit and tables of each field, in the order of the columns."""
    from features.attention_registry import ATTENTION_FEATURES
    from features.customer_registry import CUSTOMER_FEATURES

    known: dict[str, tuple[str, str, list[str]]] = {
        "customer_id": ("the customer", "id", ["customers", *FACTS]),
        "as_of": ("moment before which everything here was known", "time", list(FACTS)),
    }
    known |= {feature.name: (feature.meaning, feature.unit, list(feature.tables)) for feature in CUSTOMER_FEATURES}
    known |= {feature.name: (feature.meaning, feature.unit, ["attention"]) for feature in ATTENTION_FEATURES}
    known |= {name: (*said, ["customers"]) for name, said in CUSTOMER_FIELDS.items()}
    known |= {name: (*said, [PROFILES]) for name, said in PROFILE_FIELDS.items()}
    return [
        {"field": name, "meaning": known[name][0], "unit": known[name][1], "tables": known[name][2]} for name in columns
    ]
