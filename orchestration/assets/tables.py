"""Raw and clean tables: what the source delivers, and what passed the gate."""

from collections.abc import Iterator

import dagster as dg

from orchestration.catalogue import TABLES, TableSpec
from orchestration.resources import WorkspaceResource

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
def source_snapshot(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Take stock of the source."""
    from orchestration.ingest import take_snapshot

    return dg.MaterializeResult(metadata=take_snapshot(workspace.open()))


def raw_asset(spec: TableSpec) -> dg.AssetsDefinition:
    """The raw table of one contract, held against the shape that `<table>_raw` asks for."""

    @dg.asset(
        key=["raw", spec.name],
        deps=[dg.AssetKey(["source", "snapshot"])],
        group_name="sources",
        owners=[STEWARDS],
        kinds={"duckdb", "parquet"},
        description=f"{spec.title}, as delivered.",
        check_specs=[
            dg.AssetCheckSpec("shape", asset=dg.AssetKey(["raw", spec.name]), blocking=True, description=SHAPE)
        ],
    )
    def raw(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration.ingest import ingest_raw

        outcome = ingest_raw(workspace.open(), spec.name)
        return dg.MaterializeResult(metadata=outcome.metadata, check_results=[_check("shape", outcome)])

    return raw


def clean_asset(spec: TableSpec) -> dg.AssetsDefinition:
    """The clean table of one contract; its gate stops everything downstream of it and nothing else."""
    deps = [dg.AssetKey(["raw", spec.name]), *(dg.AssetKey(["clean", name]) for name in spec.references)]

    @dg.asset(
        key=["clean", spec.name],
        deps=deps,
        group_name="gate",
        owners=[STEWARDS],
        kinds={"duckdb", "greatexpectations"},
        description=f"{spec.title}, cast and de-duplicated; rows that break a rule lie in quarantine with their reasons.",
        check_specs=[
            dg.AssetCheckSpec("gate", asset=dg.AssetKey(["clean", spec.name]), blocking=True, description=GATE)
        ],
    )
    def clean(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from orchestration.cleaning import clean_table

        outcome = clean_table(workspace.open(), spec.name, run_id=context.run.run_id)
        yield dg.MaterializeResult(metadata=outcome.metadata, check_results=[_check("gate", outcome)])

    return clean


def _check(name: str, outcome: "TableOutcome") -> dg.AssetCheckResult:  # noqa: F821
    return dg.AssetCheckResult(passed=outcome.passed, check_name=name, metadata=outcome.check_metadata)


TABLE_ASSETS = [
    source_snapshot,
    *(raw_asset(spec) for spec in TABLES),
    *(clean_asset(spec) for spec in TABLES),
]
