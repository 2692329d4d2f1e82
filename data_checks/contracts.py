"""The contracts there are, by name: `load_contract("transactions")`.

The files are Open Data Contract Standard v3.1 (https://bitol-io.github.io/open-data-contract-standard/).
`<table>.odcs.yaml` is the strict contract of a clean table; `<table>_raw.odcs.yaml` is lenient: it only says which
columns a delivery has.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_checks.contract import RAW, SUFFIX, Column, Contract, ContractError
from data_checks.odcs import read_contract

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "BELT_TABLES",
    "CONTRACTS",
    "FLOOR_TABLES",
    "IMAGE_TABLES",
    "SHOP_TABLES",
    "SUFFIX",
    "WIFI_TABLES",
    "Column",
    "Contract",
    "ContractError",
    "check_columns",
    "conform",
    "contract_names",
    "load_contract",
    "load_contracts",
    "table_names",
]

CONTRACTS = Path(__file__).parent / "contracts"
# Tables of an image set, in the order in which the gate judges them. They come with a folder of pictures, are judged when
# a set is taken in, and have no part in the daily loop: no shop's day waits for photographs.
IMAGE_TABLES: Final = ("label_classes", "images", "image_labels", "label_issues")
# Tables of a packing line, in the same order: packages are inspected beside a shop, by a source of their own.
BELT_TABLES: Final = ("approved_samples", "inspections")
# Tables of a Wi-Fi survey and of visits, in the same order: they come from shops with access points, by a source of their own.
WIFI_TABLES: Final = ("wifi_scans", "wifi_fingerprints")
# Tables of a shop without tills, in the same order: its floor delivers all but the last, which a model makes of them.
FLOOR_TABLES: Final = (
    "floor_lanes",
    "floor_visits",
    "floor_tracks",
    "floor_shelf_events",
    "floor_looks",
    "floor_stops",
    "floor_mat_activity",
    "floor_devices",
    "attention",
)
# Tables that a shop without a till tells through its log, in the same order.
SHOP_TABLES: Final = ("shop_bills", "shop_bill_lines", "stock_movements", "shop_reviews")


@cache
def load_contract(name: str, folder: Path = CONTRACTS) -> Contract:
    """The contract `<folder>/<name>.odcs.yaml`, checked. Errors: ContractError naming file, field, value and remedy."""
    path = folder / f"{name}{SUFFIX}"
    if not path.is_file():
        raise ContractError(f"{path}: no such contract; there are {', '.join(contract_names(folder)) or 'none'}")
    return read_contract(path)


def contract_names(folder: Path = CONTRACTS) -> tuple[str, ...]:
    """Names of all contracts in a folder, sorted."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}")))


def table_names(folder: Path = CONTRACTS) -> tuple[str, ...]:
    """Names of the tables: of the strict contracts, sorted."""
    return tuple(name for name in contract_names(folder) if not name.endswith(RAW))


def load_contracts(folder: Path = CONTRACTS) -> Mapping[str, Contract]:
    """Every contract of a folder by name."""
    return {name: load_contract(name, folder) for name in contract_names(folder)}


def check_columns(columns: tuple[str, ...], contract: Contract) -> None:
    """Refuse a table that lacks a required column or brings one that is in no contract.

    Errors: ContractError naming every such column and what to do.
    """
    missing = [c.name for c in contract.columns if c.name not in columns and (c.required or not contract.lenient)]
    unknown = [name for name in columns if name not in contract.column_names]
    complaints = []
    if missing:
        complaints.append(f"lacks {', '.join(missing)}: deliver them")
    if unknown:
        complaints.append(f"has {', '.join(unknown)}, which no contract names: drop them or add them to the contract")
    if complaints:
        raise ContractError(
            f"table {contract.name} {'; it '.join(complaints)} (contract columns: {', '.join(contract.column_names)})"
        )


def conform(reader: "pa.RecordBatchReader", contract: Contract) -> "pa.RecordBatchReader":
    """A raw delivery with every column of its contract, in order: optional columns that are absent come as null text.

    Types are left as delivered. Errors: ContractError as `check_columns`.
    """
    import pyarrow as pa

    check_columns(tuple(reader.schema.names), contract)
    fields = [
        reader.schema.field(name) if name in reader.schema.names else pa.field(name, pa.string())
        for name in contract.column_names
    ]
    schema = pa.schema([field.with_nullable(True) for field in fields])

    def batches() -> Any:
        for batch in reader:
            arrays = [
                batch.column(field.name) if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
