"""From the source to raw tables: one snapshot, then every table as delivered, held against its lenient contract."""

from dataclasses import dataclass, field
from typing import Any

from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace


@dataclass(frozen=True)
class TableOutcome:
    """What an asset says of a table: its facts, and whether its blocking check passed."""

    passed: bool
    metadata: dict[str, Any]
    check_metadata: dict[str, Any] = field(default_factory=dict)


def take_snapshot(workspace: Workspace) -> dict[str, Any]:
    """Open the source and read its first table: a made source spools all of them in that one pass, others stay put."""
    source = workspace.source
    first = min(source.tables)
    source.read(first).close()
    return {
        "source": workspace.settings.source,
        "frequency": source.frequency,
        "tables": sorted(source.tables),
        "fingerprint": source.fingerprint(),
    }


def ingest_raw(workspace: Workspace, table: str) -> TableOutcome:
    """Write `raw/<table>` as delivered; a table the source lacks is written empty with the contract's columns.

    The check `shape` fails, and nothing is written, when columns are missing or in no contract.
    """
    from data_checks.contracts import ContractError, conform, load_contract

    source, lake = workspace.source, workspace.lake
    contract = load_contract(f"{table}_raw")
    provided = table in source.tables
    made_from = fingerprint(
        code=(
            "orchestration/ingest.py",
            "sources",
            f"data_checks/contracts/{table}_raw.odcs.yaml",
            "data_checks/contracts.py",
            "data_checks/lake.py",
        ),
        inputs={"source": source.fingerprint() if provided else "absent", "table": table},
    )
    version = lake.version("raw", table)
    skipped = version is not None and version.fingerprint == made_from
    if not skipped:
        try:
            data = conform(source.read(table), contract) if provided else contract.empty()
        except ContractError as error:
            return TableOutcome(False, {"provided": provided}, {"reason": str(error)})
        version = lake.write("raw", table, data, fingerprint=made_from)
    assert version is not None
    return TableOutcome(
        True,
        {"provided": provided, "rows": version.rows, "unchanged": skipped, "content_hash": version.content_hash},
        {"columns": len(contract.columns)},
    )
