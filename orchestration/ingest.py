"""From the source to raw tables: one snapshot, then every table as delivered, held against its lenient contract."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestration.catalogue import SHOP_SPECS, SPECS
from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from data_checks.contracts import Contract
    from data_checks.lake import TableVersion
    from sources.base import PartedSource, Source

DAY = "_day"  # cuts a raw table and is none of its columns


@dataclass(frozen=True)
class TableOutcome:
    """What an asset says of a table: its facts, whether its blocking check passed, and the days made (day -> rows)."""

    passed: bool
    metadata: dict[str, Any]
    check_metadata: dict[str, Any] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)


def take_snapshot(workspace: Workspace) -> dict[str, Any]:
    """Open the source and read its first table: a made source spools all of them in that one pass, others stay put."""
    source = workspace.source
    first = min(source.tables)
    source.read(first).close()
    if len(workspace.tombstones):  # a made source knows nothing of who was erased
        from data_checks.erasure import erase_from_files

        erase_from_files(workspace.spool, workspace.tombstones)
    return {
        "source": workspace.settings.source,
        "frequency": source.frequency,
        "tables": sorted(source.tables),
        "fingerprint": source.fingerprint(),
    }


def known_days(workspace: Workspace) -> list[str]:
    """ISO days, ascending, that some fact has rows of: as the source names them, else as they were last delivered or told."""
    source, lake = workspace.source, workspace.lake
    parted = _parted(source)
    days: set[str] = set()
    told = {spec.name for spec in SHOP_SPECS}
    for table in (spec.name for spec in SPECS.values() if spec.dated_by and spec.name in source.tables | told):
        parts = parted.parts(table) if parted and table not in told else None
        version = lake.version("raw", table)
        days |= parts.keys() if parts is not None else made_days(version, version.partitions if version else ()).keys()
    sales = lake.version("gold", "sales")  # of a source that reports its sales the only table by day
    return sorted(days | (sales.partitions.keys() if sales else set()))


def made_days(version: "TableVersion | None", days: Iterable[str]) -> dict[str, int]:
    """Day -> rows of `days`, ascending; what has no day is left out."""
    from data_checks.lake_files import UNDATED

    rows = version.partitions if version else {}
    return {day: rows.get(day, 0) for day in sorted(days) if day != UNDATED}


def changed_days(before: "TableVersion | None", after: "TableVersion") -> frozenset[str]:
    """Days whose rows are others than before, or that are new; empty ones too."""
    if after.partition_by is None:
        return frozenset()
    held = {file.day: file.sha256 for file in before.files} if before else {}
    return frozenset(file.day for file in after.files if file.day and held.get(file.day) != file.sha256)


def check_known(workspace: Workspace, days: Collection[str]) -> None:
    """Errors: ValueError for a day that no fact has, with the first and the last there is."""
    if not days:
        return
    known = known_days(workspace)
    if unknown := sorted(set(days) - set(known)):
        there = f"the source has {known[0]} to {known[-1]}" if known else "no day is known before the first run"
        raise ValueError(
            f"{unknown[0]} is no day to make anew: {there}; choose among these, or run `storeloop run daily`"
        )


def ingest_raw(workspace: Workspace, table: str, *, force: Collection[str] = ()) -> TableOutcome:
    """Write `raw/<table>` as delivered; a table the source lacks is written empty with the contract's columns.

    Facts are cut by the day they speak of. A source that tells its days apart is asked for those alone that changed; of
    another one everything is read, and the days with other rows than before are the ones that changed. Of facts the days
    in `force` are read again too. The check `shape` fails, and nothing is written, when columns are missing or in no
    contract. Errors: ValueError for a day in `force` that no fact has.
    """
    from data_checks.contracts import ContractError, load_contract

    source, lake = workspace.source, workspace.lake
    contract = load_contract(f"{table}_raw")
    provided = table in source.tables
    made_from = _made_from(table, {"source": source.fingerprint() if provided else "absent"})
    before = lake.version("raw", table)
    forced = frozenset(force) if provided and SPECS[table].dated_by else frozenset()
    check_known(workspace, forced)
    unchanged = before is not None and before.fingerprint == made_from and not forced
    version, days = before, frozenset[str]()
    if not unchanged:
        try:
            version, days = _write(workspace, table, contract, made_from, forced)
        except ContractError as error:
            return TableOutcome(False, {"provided": provided}, {"reason": str(error)})
    assert version is not None
    metadata = {
        "provided": provided,
        "rows": version.rows,
        "unchanged": unchanged or (before is not None and before.content_hash == version.content_hash),
        "content_hash": version.content_hash,
    }
    if version.partition_by:
        metadata |= {"days": len(version.partitions), "days_read": len(days)}
    made = made_days(version, forced & days | changed_days(before, version))
    return TableOutcome(True, metadata, {"columns": len(contract.columns)}, made)


def _write(
    workspace: Workspace, table: str, contract: "Contract", made_from: str, forced: Set[str]
) -> "tuple[TableVersion, frozenset[str]]":
    """The new version, and the days that were read for it."""
    from data_checks.contracts import conform

    source, lake = workspace.source, workspace.lake
    if table not in source.tables:
        return lake.write("raw", table, contract.empty(), fingerprint=made_from), frozenset()
    parted = _parted(source)
    parts = parted.parts(table) if parted else None
    if SPECS[table].dated_by is None:
        data = conform(_delivered(workspace, table, source.read(table)), contract)
        return lake.write("raw", table, data, fingerprint=made_from), frozenset()
    with lake.update("raw", table, partition_by=DAY, keep_column=False) as update:
        if parted is None or parts is None:
            # What streams into this process is cut here, whatever engine works on it later.
            data, days = _dated(
                conform(_delivered(workspace, table, source.read(table)), contract),
                table,
                workspace.connect("duckdb://"),
            )
            fresh = dict.fromkeys(days, made_from)
        else:
            made = {day: _made_from(table, {"part": digest}) for day, digest in parts.items()}
            known = update.made_from()
            fresh = {day: said for day, said in made.items() if known.get(day) != said or day in forced}
            delivered = _delivered(workspace, table, parted.read_parts(table, list(fresh)))
            data, days = _split(delivered, contract), list(made)
        if fresh or not days:
            update.put(data, made_from=fresh)
        return update.commit(made_from, days=days), frozenset(fresh)


def _delivered(workspace: Workspace, table: str, reader: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
    """What a source delivers, without the customers who were erased."""
    from data_checks.erasure import KEPT
    from data_checks.tombstones import forgetting

    return forgetting(reader, workspace.tombstones, keep=table in KEPT)


def _parted(source: "Source") -> "PartedSource | None":
    return source if hasattr(type(source), "parts") else None  # type: ignore[return-value]


def _made_from(table: str, inputs: dict[str, Any]) -> str:
    code = (
        "orchestration/ingest.py",
        "sources",
        f"data_checks/contracts/{table}_raw.odcs.yaml",
        "data_checks/contracts.py",
        "data_checks/lake.py",
    )
    return fingerprint(code=code, inputs={**inputs, "table": table})


def _split(delivered: "pa.RecordBatchReader", contract: "Contract") -> "pa.RecordBatchReader":
    """What a source delivers by day, held against the contract with its day set aside."""
    import pyarrow as pa

    from data_checks.contracts import conform

    bare = pa.schema([field for field in delivered.schema if field.name != DAY])
    days: list[pa.Array] = []  # conforming keeps batches as they are, so that each meets its days again

    def rows() -> "Iterator[pa.RecordBatch]":
        for batch in delivered:
            days.append(batch.column(DAY))
            yield batch.select(bare.names)

    conformed = conform(pa.RecordBatchReader.from_batches(bare, rows()), contract)
    schema = conformed.schema.append(pa.field(DAY, pa.date32()))
    dated = (pa.RecordBatch.from_arrays([*batch.columns, days.pop(0)], schema=schema) for batch in conformed)
    return pa.RecordBatchReader.from_batches(schema, dated)


def _dated(delivered: "pa.RecordBatchReader", table: str, con: Any) -> tuple[Any, list[str]]:
    """A table delivered whole with the day of each row, and the days there are."""
    from data_checks.lake_files import UNDATED

    con.con.register("delivered_rows", delivered)
    con.raw_sql("CREATE TEMP TABLE delivered AS FROM delivered_rows")  # a stream can be read but once
    rows = con.table("delivered")
    rows = rows.mutate(**{DAY: event_day(rows, table)})
    days = con.to_pyarrow(rows.select(DAY).distinct())[DAY].to_pylist()
    return rows, sorted(UNDATED if day is None else str(day) for day in days)


def event_day(raw: Any, table: str) -> Any:
    """The day of each raw row of a table that is cut by days, as the clean table will have it; null where unreadable."""
    from data_checks.contracts import load_contract
    from features.cleaning import cast_value

    dated_by = SPECS[table].dated_by
    kind = next(column.type for column in load_contract(table).columns if column.name == dated_by)
    value = cast_value(raw[dated_by], kind)
    return value.date() if kind == "ts" else value
