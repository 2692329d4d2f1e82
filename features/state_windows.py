"""Sums, extremes and quantiles over days before an origin: asked for by name, then computed in few passes.

Rows of (key, day) meet the origins that look back at them. A first pass adds them up in buckets of ages (days before the
origin), unfiltered and so fast; a second one adds buckets to windows. Every sum is exact (see `exact`), so that neither
the order of rows nor what lies outside a window moves a bit of it.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from features.sales import days_later

Part = Literal["sum", "count", "min", "max", "newest"]
NEAR_DAYS = 91  # most columns are asked for within a quarter: older days are read for the others alone
SEASON_DAYS = 7
SEASON_WEEKS = 8  # weeks of history behind a mean per weekday
PROFILE_WEEKS = 52  # weeks behind the profile of a year, which has no season but the week's
SEASON_LAST_WEEKS = 4  # weeks to look back for the last open day of a weekday
DECAY_DAYS = 91  # a decaying mean looks back no further
_GRID = 1.5 * 2.0**32
_MERGE: Mapping[str, str] = {"sum": "sum", "count": "sum", "min": "min", "max": "max", "newest": "min"}


def exact(value: Any) -> Any:
    """`value` rounded to twenty binary places, by which sums up to 2^33 come out the same in any order.

    Adding and subtracting 1.5 * 2^32 rounds so in one IEEE addition; whole numbers stay as they are.
    """
    return (value + _GRID) - _GRID


@dataclass(frozen=True)
class _Window:
    part: Part
    column: str
    since: int
    until: int


@dataclass
class Requests:
    """What was asked of one table of days, by the name of the column that will hold it."""

    windows: dict[str, _Window] = field(default_factory=dict)
    values: dict[str, tuple[str, int]] = field(default_factory=dict)  # column, age
    phases: dict[str, tuple[str, int]] = field(default_factory=dict)  # sum/count/last_<column>, phase
    profiles: dict[str, tuple[str, int]] = field(default_factory=dict)  # the same over PROFILE_WEEKS
    quantiles: dict[str, tuple[str, int, float]] = field(default_factory=dict)  # column, days, share
    decays: set[tuple[str, int]] = field(default_factory=set)  # column, half-life in days
    moments: set[str] = field(default_factory=set)  # columns whose line over time is wanted
    kinds: set[str] = field(default_factory=set)  # groups that something was asked of


class Windows:
    """Asks for windows of one table of days; every method answers with the deferred column of the result.

    Ages and lengths are in days at either frequency. `kind` names a group (store, category, ...) whose rows share one
    table with other groups.
    """

    def __init__(self, step: int, requests: Requests | None = None, *, kind: str = "") -> None:
        self.step = step
        self.requests = requests if requests is not None else Requests()
        self.groups = Requests()
        self._kind = kind

    @property
    def daily(self) -> bool:
        return self.step == 1

    def group(self, kind: str) -> "Windows":
        """Windows of the group of this kind that the series belongs to."""
        return Windows(self.step, self.groups, kind=kind)

    def sum(self, column: str, days: int, since: int = 0) -> Any:
        """Sum over the ages [since, since + days); null where nothing is known."""
        return self._window("sum", column, days, since)

    def count(self, column: str, days: int, since: int = 0) -> Any:
        """Number of known values over the ages [since, since + days)."""
        return self._window("count", column, days, since).fill_null(0)

    def mean(self, column: str, days: int, since: int = 0) -> Any:
        """Mean over the known values; null where there is none."""
        return self.sum(column, days, since) / self._window("count", column, days, since).nullif(0)

    def min(self, column: str, days: int, since: int = 0) -> Any:
        """Least known value."""
        return self._window("min", column, days, since)

    def max(self, column: str, days: int, since: int = 0) -> Any:
        """Largest known value."""
        return self._window("max", column, days, since)

    def newest(self, column: str, days: int) -> Any:
        """Age in periods of the newest day on which the column is known; null if there is none within `days`."""
        return self._window("newest", column, days, 0) / self.step

    def at(self, column: str, age: int) -> Any:
        """The value `age` days before the end of the origin period, as it came."""
        name = f"{column}_at_{age}"
        self.requests.values[name] = (column, age)
        return self._packed("values", name)

    def phase(self, kind: Literal["mean", "profile", "last"], column: str, phase: int) -> Any:
        """Of the weekday of steps phase + 1, phase + 8, ...: mean of eight weeks, of a year, or last value of four weeks."""
        parts = ("last",) if kind == "last" else ("sum", "count")
        names = [f"{part}_{column}_on_{phase}" for part in parts]
        pass_ = "profiles" if kind == "profile" else "phases"
        for part, name in zip(parts, names, strict=True):
            getattr(self.requests, pass_)[name] = (f"{part}_{column}", phase)
        columns = [self._packed(pass_, name) for name in names]
        return columns[0] if kind == "last" else columns[0] / columns[1].nullif(0)

    def quantile(self, column: str, days: int, share: float) -> Any:
        """Quantile over the known values of the last `days`, linear between two of them."""
        name = f"{column}_q{round(share * 100)}_{days}"
        self.requests.quantiles[name] = (column, days, share)
        return self._packed("quantiles", name)

    def decayed_mean(self, column: str, half_life: int) -> Any:
        """Mean whose weights halve every `half_life` days."""
        self.requests.decays.add((column, half_life))
        return self.sum(f"{column}_decayed_{half_life}", DECAY_DAYS) / self.sum(
            f"{column}_weight_{half_life}", DECAY_DAYS
        )

    def slope(self, column: str, days: int) -> Any:
        """Rise a day of the least-squares line through the known values of the last `days`."""
        self.requests.moments.add(column)
        count, total = self.count(column, days), self.sum(column, days)
        age, age_square = self.sum(f"{column}_age", days), self.sum(f"{column}_age_square", days)
        product = self.sum(f"{column}_by_age", days)
        return (age * total - count * product) / (count * age_square - age * age).nullif(0.0)

    def deviation(self, column: str, square: str, days: int) -> Any:
        """Sample deviation of `column`, whose squares stand in `square`; null below two values."""
        count, total = self.count(column, days), self.sum(column, days)
        spread = ibis.greatest(self.sum(square, days) - total * total / count.nullif(0), 0.0)
        return ibis.ifelse(count > 1, (spread / (count - 1).nullif(0)).sqrt(), ibis.null("float64"))

    def periods(self, days: int) -> Any:
        """Periods of the last `days` since the series began."""
        return ibis.least(days // self.step, _["age_periods"])

    def _window(self, part: Part, column: str, days: int, since: int) -> Any:
        if days % self.step or since % self.step or days < 1:
            raise ValueError(f"window of {days} days from age {since}: whole periods of {self.step} days are needed")
        name = f"{part}_{column}_{since}_{since + days}"
        self.requests.windows[name] = _Window(part, column, since, since + days)
        return self._packed("near" if since + days <= NEAR_DAYS else "far", name)

    def _packed(self, pass_: str, name: str) -> Any:
        if self._kind:
            self.requests.kinds.add(self._kind)
        return _[f"{self._kind}_{pass_}" if self._kind else pass_][name]


def reach_days(requests: Requests) -> int:
    """The first age that no request looks at."""
    reaches = [window.until for window in requests.windows.values()]
    reaches += [age + 1 for _column, age in requests.values.values()]
    reaches += [days for _column, days, _share in requests.quantiles.values()]
    reaches += [SEASON_DAYS * SEASON_WEEKS] if requests.phases else []
    reaches += [SEASON_DAYS * PROFILE_WEEKS] if requests.profiles else []
    return max(reaches, default=0)


def rolled(days: ir.Table, origins: ir.Table, requests: Requests, *, key: str, step: int) -> dict[str, ir.Table]:
    """One table a pass, by its name: (key, origin) and a struct, named as the pass, of the requested columns.

    `days` holds `key`, `day` and the columns asked for; `origins` the distinct `origin` dates. (Structs keep the joins
    that follow narrow: Ibis takes long over wide ones.)
    """
    aged = _aged(days, origins, requests, step)
    keys = [key, "origin"]
    passes = _windows(aged, requests, keys)
    if requests.values:
        rows = aged.filter(aged.age.isin(sorted({age for _column, age in requests.values.values()})))
        values = {name: rows[c].max(where=rows.age == age) for name, (c, age) in requests.values.items()}
        passes["values"] = rows.group_by(keys).agg(values=ibis.struct(values))
    if requests.phases:
        passes["phases"] = _phases(aged, requests.phases, keys, weeks=SEASON_WEEKS, name="phases")
    if requests.profiles:
        passes["profiles"] = _phases(aged, requests.profiles, keys, weeks=PROFILE_WEEKS, name="profiles")
    if requests.quantiles:
        passes["quantiles"] = _quantiles(aged, requests, keys)
    return passes


def _aged(days: ir.Table, origins: ir.Table, requests: Requests, step: int) -> ir.Table:
    """The days with every origin that sees them: `origin`, `age` (days), `bucket` of ages, and columns made of ages."""
    edges = sorted({edge for w in requests.windows.values() for edge in (w.since, w.until)} | {0, NEAR_DAYS})
    ages = list(range(0, reach_days(requests), step))
    columns: dict[str, Any] = {"age": ages, "bucket": [edges[bisect_right(edges, age) - 1] for age in ages]}
    for half_life in sorted({half_life for _column, half_life in requests.decays}):
        columns[f"decay_{half_life}"] = [round(0.5 ** (age / half_life) * 2**20) / 2**20 for age in ages]
    spans = origins.cross_join(ibis.memtable(pa.table(columns)))
    spans = spans.mutate(day=days_later(spans.origin, -spans.age))
    aged = days.inner_join(spans, "day")
    made: dict[str, Any] = {}
    for column, half_life in sorted(requests.decays):
        decay = aged[f"decay_{half_life}"]
        made[f"{column}_decayed_{half_life}"] = aged[column] * decay
        made[f"{column}_weight_{half_life}"] = ibis.ifelse(aged[column].notnull(), decay, ibis.null("float64"))
    for column in sorted(requests.moments):
        age = ibis.ifelse(aged[column].notnull(), aged.age.cast("float64"), ibis.null("float64"))
        made |= {f"{column}_age": age, f"{column}_age_square": age * age, f"{column}_by_age": age * aged[column]}
    return aged.mutate(**made) if made else aged


def _windows(aged: ir.Table, requests: Requests, keys: list[str]) -> dict[str, ir.Table]:
    near = {name: w for name, w in requests.windows.items() if w.until <= NEAR_DAYS}
    far = {name: w for name, w in requests.windows.items() if w.until > NEAR_DAYS}
    all_parts = sorted({(w.part, w.column) for w in requests.windows.values()})
    far_parts = sorted({(w.part, w.column) for w in far.values()})
    recent = _bucketed(aged.filter(aged.age < NEAR_DAYS), all_parts, keys)
    passes = {"near": _summed(recent, near, keys, "near")} if near else {}
    if far:
        names = [*keys, "bucket", *(f"{part}_{column}" for part, column in far_parts)]
        older = _bucketed(aged.filter(aged.age >= NEAR_DAYS), far_parts, keys)
        passes["far"] = _summed(recent.select(*names).union(older.select(*names)), far, keys, "far")
    return passes


def _bucketed(rows: ir.Table, parts: list[tuple[Part, str]], keys: list[str]) -> ir.Table:
    def first(part: Part, column: Any) -> Any:
        if part == "sum":
            return exact(column).sum()
        if part == "newest":
            return rows.age.min(where=column.notnull())
        return {"count": column.count, "min": column.min, "max": column.max}[part]()

    return rows.group_by([*keys, "bucket"]).agg(
        **{f"{part}_{column}": first(part, rows[column]) for part, column in parts}
    )


def _summed(buckets: ir.Table, windows: Mapping[str, _Window], keys: list[str], name: str) -> ir.Table:
    def second(w: _Window) -> Any:
        inside = buckets.bucket < w.until
        if w.since:
            inside = inside & (buckets.bucket >= w.since)
        return getattr(buckets[f"{w.part}_{w.column}"], _MERGE[w.part])(where=inside)

    return buckets.group_by(keys).agg(**{name: ibis.struct({each: second(w) for each, w in windows.items()})})


def _phases(
    aged: ir.Table, wanted: Mapping[str, tuple[str, int]], keys: list[str], *, weeks: int, name: str
) -> ir.Table:
    rows = aged.filter(aged.age < SEASON_DAYS * weeks)
    rows = rows.mutate(phase=SEASON_DAYS - 1 - rows.age % SEASON_DAYS)

    def first(part: str, column: str) -> Any:
        known = rows[column].notnull()
        if part == "last":
            return rows[column].argmin(rows.age, where=known & (rows.age < SEASON_DAYS * SEASON_LAST_WEEKS))
        return exact(rows[column]).sum() if part == "sum" else rows[column].count()

    parts = sorted({part for part, _phase in wanted.values()})
    by_phase = rows.group_by([*keys, "phase"]).agg(**{part: first(*part.split("_", 1)) for part in parts})
    phases = {each: by_phase[part].max(where=by_phase.phase == at) for each, (part, at) in wanted.items()}
    return by_phase.group_by(keys).agg(**{name: ibis.struct(phases)})


def _quantiles(aged: ir.Table, requests: Requests, keys: list[str]) -> ir.Table:
    shares: dict[tuple[str, int], list[float]] = {}
    for column, days, share in requests.quantiles.values():
        shares.setdefault((column, days), []).append(share)
    longest = max(days for _column, days in shares)
    rows = aged.filter(aged.age < longest)
    arrays = {
        f"{column}_{days}": rows[column].quantile(wanted, where=rows.age < days)
        for (column, days), wanted in shares.items()
    }
    found = rows.group_by(keys).agg(**arrays)
    picked = {
        name: found[f"{column}_{days}"][shares[column, days].index(share)]
        for name, (column, days, share) in requests.quantiles.items()
    }
    return found.select(*keys, quantiles=ibis.struct(picked))
