"""What the gate last found on each day of a table: counts, and what the day was made from when it was judged.

One file a table, replaced in one step. A day leaves it before its quarantined rows are rewritten and comes back after, so
that a run killed in between judges that day again.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_checks.gate_tallies import Tallies


class JudgedDays:
    """The judged days of one table: `made_from` by day, and their `tallies`."""

    def __init__(self, path: Path) -> None:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        from data_checks.gate_tallies import FATES_SCHEMA, RULES_SCHEMA, Tallies

        self._path = path
        self.made_from: dict[str, str] = {}
        self.tallies = Tallies()
        if path.is_file():
            rows = pq.read_table(path, partitioning=None)
            days = rows.filter(pc.is_valid(rows["made_from"]))
            self.made_from = dict(zip(days["day"].to_pylist(), days["made_from"].to_pylist(), strict=True))
            self.tallies = Tallies(
                rows.filter(pc.is_valid(rows["rule_id"])).select(RULES_SCHEMA.names).cast(RULES_SCHEMA),
                rows.filter(pc.is_valid(rows["fate"])).select(FATES_SCHEMA.names).cast(FATES_SCHEMA),
            )

    def forget(self, days: Collection[str]) -> None:
        """Leave out `days`."""
        if not self.made_from.keys() & set(days):
            return
        kept = {day: said for day, said in self.made_from.items() if day not in days}
        self._replace(kept, self.tallies.of(days, without=True))

    def record(self, made_from: Mapping[str, str], tallies: "Tallies") -> None:
        """Put in the days that `made_from` names, with their counts."""
        self.forget(made_from.keys())
        self._replace({**self.made_from, **made_from}, self.tallies.joined(tallies))

    def _replace(self, made_from: dict[str, str], tallies: "Tallies") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from data_checks.durable import locked, replace_file

        days = pa.table(
            {"day": pa.array(made_from.keys(), pa.string()), "made_from": pa.array(made_from.values(), pa.string())}
        )
        rows = pa.concat_tables([tallies.rules, tallies.fates, days], promote_options="default")
        with locked(self._path.parent):
            replace_file(self._path, lambda draft: pq.write_table(rows, draft, compression="zstd"))
        self.made_from, self.tallies = made_from, tallies
