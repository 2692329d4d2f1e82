"""The unmanned shop: the twin's day in it, its log in the lake by day, and the nightly reconciliation that must balance."""

from collections.abc import Iterator

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG
from orchestration.assets.tables import GATE, STEWARDS, judged
from orchestration.catalogue import SHOP_SPECS, TableSpec
from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days, sync_days
from orchestration.resources import WorkspaceResource

TAGS = {PRIORITY_TAG: LATER}
LOG = dg.AssetKey(["shop", "log"])
BOOKS = dg.AssetKey(["shop", "books"])
READABLE = "Every record of the logs can be read."
BALANCED = "Ledger, bills and stock movements agree to the cent and to the package on every day that is over."


@dg.asset(
    key=["shop", "visits"],
    # A till has its prices from the shop: no gate of another table holds up its books.
    deps=[dg.AssetKey(["source", "snapshot"])],
    group_name="shop",
    owners=ENGINEERS,
    kinds={"python", "sqlite"},
    op_tags=TAGS,
    description="The twin's newest days in its shop: sensors to events, events to bills and entries of the ledger, once a day; how "
    "right the bills are, beside the truth and a naive method.",
)
def visits(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Let the shop be visited."""
    from orchestration.shop_twin import visit_shop

    return dg.MaterializeResult(metadata=visit_shop(workspace.open(), on_progress=context.log.info))


@dg.asset(
    key=LOG,
    deps=[dg.AssetKey(["shop", "visits"])],
    group_name="shop",
    owners=[STEWARDS],
    kinds={"kafka", "parquet"},
    op_tags=TAGS,
    description=f"What the tills told since, as raw tables: each row once. By day. {HOW_TO_CHOOSE}",
    check_specs=[dg.AssetCheckSpec("readable", asset=LOG, blocking=True, description=READABLE)],
    partitions_def=DAYS,
    backfill_policy=ONE_RUN,
)
def log(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Land the logs."""
    from orchestration.alerts import report_refusal
    from orchestration.ingest import known_days
    from orchestration.shop_landing import land

    opened = workspace.open()
    outcome = land(opened)
    if not outcome.passed:
        report_refusal(opened, "shop/log readable")
    if outcome.made:
        sync_days(context.instance, known_days(opened))
        report_days(context, LOG, outcome.made)
    return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome, "readable")])


def shop_table(spec: TableSpec) -> dg.AssetsDefinition:
    """A table of the shop; its gate stops everything downstream of it."""
    key = dg.AssetKey(["shop", spec.name])

    @dg.asset(
        key=key,
        deps=[LOG],
        group_name="shop",
        owners=[STEWARDS],
        kinds={"duckdb", "greatexpectations"},
        op_tags=TAGS,
        description=f"{spec.title}; rows that break a rule lie in quarantine. By day. {HOW_TO_CHOOSE}",
        check_specs=[dg.AssetCheckSpec("gate", asset=key, blocking=True, description=GATE)],
        partitions_def=DAYS,
        backfill_policy=ONE_RUN,
    )
    def table(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from orchestration.cleaning import clean_table

        outcome = clean_table(workspace.open(), spec.name, run_id=context.run.run_id, force=chosen(context))
        if outcome.passed:
            report_days(context, key, outcome.made)
        yield dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])

    return table


@dg.asset(
    key=BOOKS,
    deps=[dg.AssetKey(["shop", spec.name]) for spec in SHOP_SPECS],
    group_name="shop",
    owners=[STEWARDS],
    kinds={"duckdb"},
    op_tags=TAGS,
    description="The nightly reconciliation: the ledger, hashed again under its signed heads, against bills and stock movements.",
    check_specs=[dg.AssetCheckSpec("balanced", asset=BOOKS, blocking=True, description=BALANCED)],
)
def books(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Balance the books."""
    from orchestration.alerts import report_refusal
    from orchestration.shop_books import balance_books

    opened = workspace.open()
    outcome = balance_books(opened)
    if not outcome.passed:
        report_refusal(opened, "shop/books balanced")
    return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome, "balanced")])


@dg.asset(
    key=["shop", "sales"],
    deps=[BOOKS],
    group_name="shop",
    owners=ENGINEERS,
    kinds={"duckdb", "parquet"},
    op_tags=TAGS,
    description="Packages and cents by day, shop and product, once the books balance.",
)
def sales(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Write what was sold."""
    from orchestration.shop_books import write_sales

    return dg.MaterializeResult(metadata=write_sales(workspace.open()))


SHOP_ASSETS = [visits, log, *(shop_table(spec) for spec in SHOP_SPECS), books, sales]
