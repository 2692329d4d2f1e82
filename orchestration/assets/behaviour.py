"""The shop's floor: its tables, attention and dwell learnt from them, what they tell of customers and products, and what expires."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG
from orchestration.assets.tables import GATE, STEWARDS, judged
from orchestration.resources import WorkspaceResource

TITLES = {
    "lanes": "Which product stands where in the shop",
    "visits": "Who was in the shop on which day",
    "tracks": "Where persons walked, until it expires",
    "shelf_events": "What persons took and put back, until it expires",
    "looks": "What persons of the panel looked at, until it expires",
    "stops": "Where persons of the panel stood, until it expires",
    "mat_activity": "When something moved on which board",
    "devices": "How many devices were heard, under names of the day",
}
OF_VISITS = ("tracks", "shelf_events", "looks", "stops")
DELIVERED = [dg.AssetKey(["floor", name]) for name in TITLES]
CHALLENGER, TOLD = dg.AssetKey(["behaviour", "challenger"]), dg.AssetKey(["floor", "attention"])
STATE = dg.AssetKey(["features", "attention"])


def floor_asset(name: str) -> dg.AssetsDefinition:
    """A table of the floor; its gate stops everything downstream of it."""
    key = dg.AssetKey(["floor", name])
    after = [dg.AssetKey(["floor", "visits"])] if name in OF_VISITS else []
    after += [dg.AssetKey(["clean", "customers"])] if name == "visits" else []

    @dg.asset(
        key=key,
        deps=after,
        group_name="floor",
        owners=[STEWARDS],
        kinds={"duckdb", "greatexpectations"},
        op_tags={PRIORITY_TAG: LATER},
        description=f"{TITLES[name]}; rows that break a rule lie in quarantine with their reasons.",
        check_specs=[dg.AssetCheckSpec("gate", asset=key, blocking=True, description=GATE)],
    )
    def floor_table(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration.floor_tables import clean_floor_table

        outcome = clean_floor_table(workspace.open(), f"floor_{name}", run_id=context.run.run_id)
        return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])

    return floor_table


@dg.asset(
    key=CHALLENGER,
    deps=[key for key in DELIVERED if key.path[-1] != "devices"],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"pytorch", "onnx"},
    op_tags={PRIORITY_TAG: LATER},
    description="An LSTM that tells attention and dwell from tracks and shelves, judged beside a naive rule and two boosters on the "
    "newest days.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.watching import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


@dg.asset(
    key=["behaviour", "registered"],
    deps=[CHALLENGER],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"mlflow"},
    op_tags={PRIORITY_TAG: LATER},
    description="The challenger as an MLflow run with its pictures, and as a version in the registry; no gate promotes it.",
)
def registered(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Once an artifact."""
    from orchestration.watching import register

    return dg.MaterializeResult(metadata=register(workspace.open()))


@dg.asset(
    key=TOLD,
    deps=[
        CHALLENGER,
        *(key for key in DELIVERED if key.path[-1] in ("lanes", "visits", "tracks", "shelf_events", "mat_activity")),
    ],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"onnx", "greatexpectations"},
    op_tags={PRIORITY_TAG: LATER},
    description="Seconds for which each visit looked at each product, with an interval, and stood where it stands.",
    check_specs=[dg.AssetCheckSpec("gate", asset=TOLD, blocking=True, description=GATE)],
)
def attention(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a visit and product."""
    from orchestration.watching import tell_attention

    outcome = tell_attention(workspace.open(), run_id=context.run.run_id)
    return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])


@dg.asset(
    key=STATE,
    deps=[TOLD, dg.AssetKey(["clean", "products"])],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"ibis", "duckdb"},
    op_tags={PRIORITY_TAG: LATER},
    description="Attention of every customer as known after each visit, and of products by day where a group gave it.",
)
def attention_features(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """features/customer_attention and features/product_attention."""
    from orchestration.attention_features import build_attention

    return dg.MaterializeResult(metadata=build_attention(workspace.open()))


@dg.asset(
    key=["features", "attention_online"],
    deps=[STATE],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"feast"},
    op_tags={PRIORITY_TAG: LATER},
    description="Attention in Feast by customer, product and category: for training by a point-in-time join, for services online.",
)
def attention_online(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Views applied, files published, online store brought up to date."""
    from orchestration.attention_features import carry_online

    return dg.MaterializeResult(metadata=carry_online(workspace.open()))


@dg.asset(
    key=["behaviour", "heat_map"],
    deps=[STATE, *(key for key in DELIVERED if key.path[-1] == "tracks")],
    group_name="behaviour",
    owners=ENGINEERS,
    kinds={"matplotlib"},
    op_tags={PRIORITY_TAG: LATER},
    description="Where people spend their time and what they look at: nothing about fewer visits than the least group.",
)
def heat_map(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Two pictures."""
    from orchestration.watching import draw_heat_map

    return dg.MaterializeResult(metadata=draw_heat_map(workspace.open()))


@dg.asset(
    key=["behaviour", "expired"],  # after nothing: no gate may keep positions alive
    group_name="behaviour",
    owners=[STEWARDS],
    kinds={"parquet"},
    op_tags={PRIORITY_TAG: LATER},
    description="Deletes raw positions and destroys salts of devices' names once they are older than was promised.",
)
def expired(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """How many went."""
    from orchestration.watching import expire

    return dg.MaterializeResult(metadata=expire(workspace.open()))


BEHAVIOUR_ASSETS = [
    *(floor_asset(name) for name in TITLES),
    challenger,
    registered,
    attention,
    attention_features,
    attention_online,
    heat_map,
    expired,
]
