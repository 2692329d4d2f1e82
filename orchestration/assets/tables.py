"""Raw and clean tables: what the source delivers, and what passed the gate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.assets.lifecycle import LATER, PRIORITY_TAG
from orchestration.catalogue import TABLES, TableSpec
from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days, sync_days
from orchestration.resources import WorkspaceResource

if TYPE_CHECKING:
    from orchestration.ingest import TableOutcome

STEWARDS = "team:data-stewards"
SHAPE = "The delivery has the columns of the lenient contract: none missing, none that no contract names."
GATE = "Great Expectations' verdict: every rule of the contract fails for no more rows than it tolerates."


@dg.asset(
    key=["source", "snapshot"],
    group_name="sources",
    owners=[STEWARDS],
    kinds={"parquet"},
    description="The source as it stands: the twin is exported in one pass; files and adapters are read where they lie.",
)
def source_snapshot(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Take stock of the source and of its days."""
    from orchestration.ingest import known_days, take_snapshot

    opened = workspace.open()
    taken = take_snapshot(opened)
    sync_days(context.instance, known_days(opened))
    return dg.MaterializeResult(metadata=taken)


def raw_asset(spec: TableSpec) -> dg.AssetsDefinition:
    """The raw table of one contract, held against the shape that `<table>_raw` asks for."""

    @dg.asset(
        key=["raw", spec.name],
        deps=[dg.AssetKey(["source", "snapshot"])],
        group_name=spec.group or "sources",
        owners=[STEWARDS],
        kinds={"duckdb", "parquet"},
        description=f"{spec.title}, as delivered.{_by_day(spec)}",
        op_tags=_later(spec),
        check_specs=[
            dg.AssetCheckSpec("shape", asset=dg.AssetKey(["raw", spec.name]), blocking=True, description=SHAPE)
        ],
        partitions_def=DAYS if spec.partition_by else None,
        backfill_policy=ONE_RUN if spec.partition_by else None,
    )
    def raw(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration.ingest import ingest_raw, known_days

        opened = workspace.open()
        outcome = ingest_raw(opened, spec.name, force=chosen(context) if spec.partition_by else ())
        if outcome.passed and outcome.made:
            sync_days(context.instance, known_days(opened))  # some sources do not tell their days before they are read
            report_days(context, dg.AssetKey(["raw", spec.name]), outcome.made)
        return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome, "shape")])

    return raw


def clean_asset(spec: TableSpec) -> dg.AssetsDefinition:
    """The clean table of one contract; its gate stops everything downstream of it and nothing else."""
    deps = [dg.AssetKey(["raw", spec.name]), *(dg.AssetKey(["clean", name]) for name in spec.references)]

    @dg.asset(
        key=["clean", spec.name],
        deps=deps,
        group_name=spec.group or "gate",
        owners=[STEWARDS],
        kinds={"duckdb", "greatexpectations"},
        description=f"{spec.title}, cast and de-duplicated; rows that break a rule lie in quarantine with their reasons."
        f"{_by_day(spec)}",
        op_tags=_later(spec),
        check_specs=[
            dg.AssetCheckSpec("gate", asset=dg.AssetKey(["clean", spec.name]), blocking=True, description=GATE)
        ],
        partitions_def=DAYS if spec.partition_by else None,
        backfill_policy=ONE_RUN if spec.partition_by else None,
    )
    def clean(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from orchestration.cleaning import clean_table

        force = chosen(context) if spec.partition_by else ()
        outcome = clean_table(workspace.open(), spec.name, run_id=context.run.run_id, force=force)
        if outcome.passed:
            report_days(context, dg.AssetKey(["clean", spec.name]), outcome.made)
        yield dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])

    return clean


def _by_day(spec: TableSpec) -> str:
    return f" By day. {HOW_TO_CHOOSE}" if spec.partition_by else ""


def _later(spec: TableSpec) -> dict[str, str]:
    """Tables of customers and floors wait for all else that is ready: a shop's demand is not to be late because of them."""
    return {PRIORITY_TAG: LATER} if spec.group else {}


def judged(outcome: "TableOutcome", name: str = "gate") -> dg.AssetCheckResult:
    """A blocking check's result as the gate told it."""
    return dg.AssetCheckResult(passed=outcome.passed, check_name=name, metadata=outcome.check_metadata)


TABLE_ASSETS = [
    source_snapshot,
    *(raw_asset(spec) for spec in TABLES),
    *(clean_asset(spec) for spec in TABLES),
]
