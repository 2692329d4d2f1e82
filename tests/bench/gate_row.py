"""Row of the data gate: full transaction contract, dirty lines, Great Expectations giving verdict and counts."""

from bench_row import BenchContext, BenchResult, BenchRow

LINES = 1_000_000


def _speed(context: BenchContext) -> BenchResult:
    from gate_speed import measure

    found = [measure(LINES) for _ in range(3)]
    speed = sorted(run["rows_per_s"] for run in found)[1]
    note = f"{LINES:,} lines, {found[0]['rules']} rules, {found[0]['quarantined']:,} lines quarantined; median of 3"
    return BenchResult(speed, "rows/s", bound=">= 250,000 rows/s", met=speed >= 250_000, note=note)


ROWS = [BenchRow("gate-speed", "data gate", "judging transaction lines", _speed, rooms=("data_checks",))]
