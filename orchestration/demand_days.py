"""Dense daily sales from clean transactions, day by day: only days whose rows or series changed are made anew."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

CODE = ("orchestration/demand_days.py", "features/sales.py", "data_checks/lake.py")
BLOCK_ROWS = 2_000_000  # rows made at once: what bounds the memory of a backfill


@dataclass(frozen=True)
class SalesDays:
    """`made_from`: what each day of `gold/sales` is made from; `spans`: see `features.sales.series_spans`."""

    made_from: dict[str, str]
    spans: "pa.Table"


def sales_days(workspace: Workspace, force: Collection[str] = ()) -> SalesDays:
    """Bring `gold/units` up to date, the days in `force` anew, and look up what every day of dense sales follows from."""
    import pyarrow as pa

    version = _update_units(workspace, frozenset(force))
    lake, con = workspace.lake, workspace.connect()
    spans: pa.Table = con.to_pyarrow(_spans(workspace, con)).sort_by("series_id")
    stores = lake.arrow("clean", "stores") if "stores" in workspace.source.tables else None
    common = fingerprint(code=CODE, inputs={})
    units, active = version.digests(), _active_digests(spans, stores)
    return SalesDays({day: _digest(common, units.get(day, ""), series) for day, series in active.items()}, spans)


def sales_of(workspace: Workspace, spans: "pa.Table", days: Sequence[str], con: Any) -> Any:
    """Dense sales of some days, in the columns of the contract."""
    import ibis
    import pyarrow as pa

    from features.sales import dense_sales

    lake = workspace.lake
    wanted = ibis.memtable(pa.table({"day": pa.array([date.fromisoformat(day) for day in days], pa.date32())}))
    stores = lake.read("clean", "stores", con) if "stores" in workspace.source.tables else None
    return dense_sales(ibis.memtable(spans), lake.read("gold", "units", con, days=days), wanted, stores=stores)


def blocks(days: Sequence[str], rows_a_day: int) -> Iterator[list[str]]:
    """`days` cut into blocks of about BLOCK_ROWS rows."""
    size = max(1, BLOCK_ROWS // max(rows_a_day, 1))
    for start in range(0, len(days), size):
        yield list(days[start : start + size])


def _update_units(workspace: Workspace, forced: Collection[str]) -> Any:
    """`gold/units`: net units by store, product and day, and what was in stock, made anew where clean rows changed."""
    from data_checks.lake_files import UNDATED
    from features.sales import daily_units

    lake = workspace.lake
    names = [name for name in ("transactions", "inventory") if name in workspace.source.tables]
    digests: dict[str, dict[str, str]] = defaultdict(dict)
    rows: dict[str, int] = defaultdict(int)
    for name in names:
        version = lake.version("clean", name)
        assert version is not None
        for day, digest in version.digests().items():
            if day != UNDATED:  # a line that a steward released without a day counts on none
                digests[day][name] = digest
                rows[day] += version.partitions[day]
    common = fingerprint(code=CODE, inputs={"tables": names})
    made_from = {
        day: _digest(common, *(f"{n}={d}" for n, d in sorted(found.items()))) for day, found in digests.items()
    }
    with lake.update("gold", "units", partition_by="day", sort_by=("store_id", "product_id")) as update:
        before = update.made_from()
        stale = sorted(day for day, said in made_from.items() if before.get(day) != said or day in forced)
        if not stale and before.keys() == made_from.keys() and update.before is not None:
            return update.before
        usual = sum(rows.values()) // max(len(rows), 1)
        for block in list(blocks(stale, usual)) or ([] if update.before else [[]]):
            con = workspace.connect()
            tables = [lake.read("clean", name, con, days=block) for name in names]
            update.put(daily_units(*tables).units, made_from={day: made_from[day] for day in block})
        return update.commit("by day", days=made_from.keys())


def _spans(workspace: Workspace, con: Any) -> Any:
    from features.sales import series_spans

    lake, provided = workspace.lake, workspace.source.tables
    return series_spans(
        lake.read("gold", "units", con),
        products=lake.read("clean", "products", con) if "products" in provided else None,
        # A shop that plans its stock says so which series matter; of any other one the best sellers are kept.
        top_series=None if "inventory" in provided else workspace.settings.top_series,
    )


def _active_digests(spans: "pa.Table", stores: "pa.Table | None") -> dict[str, str]:
    """Day -> digest of the series that have a row on it and of the shops that are open; days between first and last.

    Sets are told apart by the exclusive or of their members' hashes, which a day changes by those that come and go.
    """
    names = ("series_id", "store_id", "product_id", "started_on", "last_on")
    moves: dict[date, int] = defaultdict(int)
    for series, store, product, first, last in zip(*(spans[name].to_pylist() for name in names), strict=True):
        mark = _number(f"{series}\x1f{store}\x1f{product}")
        moves[first] ^= mark
        moves[last + timedelta(days=1)] ^= mark
    if not moves:
        return {}
    first_day, behind_last = min(moves), max(moves)
    opened = zip(stores["store_id"].to_pylist(), stores["opened_on"].to_pylist(), strict=True) if stores else ()
    for store, day in opened:
        moves[max(day or first_day, first_day)] ^= _number(f"open\x1f{store}")
    digests, present = {}, 0
    for number in range((behind_last - first_day).days):
        day = first_day + timedelta(days=number)
        present ^= moves.get(day, 0)
        digests[day.isoformat()] = f"{present:032x}"
    return digests


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
