"""What the features of each forecast origin are made from: the days and the news that this origin can see, no others.

A late row re-opens the origins whose look-back holds its day; a covariate that became known later re-opens none before.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import Layer

HERE = ("orchestration/origin_inputs.py", "orchestration/feature_tables.py")
OPTIONAL = ("prices", "promotions", "inventory", "weather", "social_heat")
# Tables that are not cut by days in the lake, and the column that tells since when a row of theirs counts.
_DATED_BY = {"promotions": "announced_on", "weather": "date", "social_heat": "date", "series": "started_on"}
_EVER = frozenset({"promotions", "series"})  # older rows than the look-back still count


@dataclass(frozen=True)
class _Days:
    """Digests of a table's days, ascending, and whether days older than the look-back count."""

    days: Sequence[str]
    digests: Sequence[str]
    ever: bool

    def seen(self, first: str, last: str) -> str:
        """One digest of all that an origin sees."""
        low = 0 if self.ever else bisect_left(self.days, first)
        high = bisect_right(self.days, last)
        return _digest(f"{self.days[i]}={self.digests[i]}" for i in range(low, high))


def optional_tables(workspace: Workspace) -> tuple[str, ...]:
    """Tables beside sales and series that the state can be made of and that the source has."""
    # A source that reports its sales as series has no shops and products to join them to.
    if "transactions" not in workspace.source.tables:
        return ()
    return tuple(name for name in OPTIONAL if name in workspace.source.tables)


def marking_covariates(workspace: Workspace) -> list[str]:
    """Covariates that tell the promoted days of a source which has no table of promotions."""
    from features.state_marks import marks_promotions

    if "promotions" in optional_tables(workspace) or workspace.source.frequency != "daily":
        return []
    return [name for name in _covariate_names(workspace) if marks_promotions(name)]


def state_inputs(workspace: Workspace, origins: Iterable[date], lookback_days: int) -> dict[str, str]:
    """ISO origin -> what its state is made from."""
    tables = optional_tables(workspace)
    common = fingerprint(
        code=(*HERE, "features/state.py"), inputs={"frequency": workspace.source.frequency, "tables": tables}
    )
    days = {"sales": _of_days(workspace, "gold", "sales"), "series": _of_table(workspace, "gold", "series")}
    for name in tables:
        days[name] = (_of_table if name in _DATED_BY else _of_days)(workspace, "clean", name)
    if marks := marking_covariates(workspace):
        told = _covariate_digests(workspace, names=marks)
        said = {str(day): _digest(f"{k}={d}" for k, d in known if k <= day) for day, known in told.items()}
        days["marks"] = _sorted(said, ever=False)
    made_from = {}
    for origin in origins:
        first = str(origin - timedelta(days=lookback_days))
        seen = (f"{name}:{table.seen(first, str(origin))}" for name, table in days.items())
        made_from[str(origin)] = _digest([common, *seen])
    return made_from


def future_inputs(workspace: Workspace, origins: Iterable[date], *, horizon: int, period_days: int) -> dict[str, str]:
    """ISO origin -> what its known future is made from: covariates of the periods ahead that were known by then."""
    common = fingerprint(
        code=(*HERE, "features/known_future.py"),
        inputs={"horizon": horizon, "frequency": workspace.source.frequency, "names": _covariate_names(workspace)},
    )
    series = _of_table(workspace, "gold", "series")
    by_period = _covariate_digests(workspace)
    periods = sorted(by_period)
    made_from = {}
    for origin in origins:
        last = origin + timedelta(days=horizon * period_days)
        ahead = periods[bisect_right(periods, origin) : bisect_right(periods, last)]
        known = (f"{p}/{k}={d}" for p in ahead for k, d in by_period[p] if k <= origin)
        made_from[str(origin)] = _digest([common, series.seen("", str(origin)), *known])
    return made_from


def _of_days(workspace: Workspace, layer: "Layer", table: str) -> _Days:
    version = workspace.lake.version(layer, table)
    assert version is not None
    return _sorted(version.digests(), ever=False)


def _of_table(workspace: Workspace, layer: "Layer", table: str) -> _Days:
    from data_checks.lake_days import day_digests

    digests = day_digests(workspace.lake.arrow(layer, table), _DATED_BY[table])
    return _sorted(digests, ever=table in _EVER)


def _sorted(digests: Mapping[str, str], *, ever: bool) -> _Days:
    # Rows without a day (a series of a source that does not say since when) count for every origin.
    days = {"" if day == "undated" else day: digest for day, digest in digests.items()}
    order = sorted(days)
    return _Days(order, [days[day] for day in order], ever)


def _covariate_digests(workspace: Workspace, names: Sequence[str] = ()) -> dict[date, list[tuple[date, str]]]:
    """Period -> (day it became known, digest of its covariates known since then), by day; of all names, or of these."""
    con = workspace.connect("duckdb://")  # one hash for all engines
    covariates = workspace.lake.read("gold", "covariates", con)
    if names:
        covariates = covariates.filter(covariates.name.isin(list(names)))
    con.create_view("told", covariates)
    rows: list[Any] = con.raw_sql(
        "SELECT period_start, known_from, CAST(bit_xor(hash(scope, scope_value, name, value)) AS VARCHAR) || ':' || count(*) "
        "FROM told GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    con.disconnect()
    by_period: dict[date, list[tuple[date, str]]] = {}
    for period, known_from, digest in rows:
        by_period.setdefault(period, []).append((known_from, digest))
    return by_period


def _covariate_names(workspace: Workspace) -> list[str]:
    import pyarrow.compute as pc

    return sorted(pc.unique(workspace.lake.arrow("gold", "covariates", ["name"])["name"]).to_pylist())


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
