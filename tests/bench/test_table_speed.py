"""The table code and its pandas peer give equal values, and a difference would be seen."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import table_speed

from sources.twin.params import TwinParams
from sources.twin.source import TwinSource, write_days


@pytest.mark.timeout(300)
def test_both_sides_agree_and_a_difference_is_named(tmp_path: Path) -> None:
    write_days(TwinSource(TwinParams.size("tiny"), 5), ["transactions"], tmp_path, 45)
    here, there = tmp_path / "ours", tmp_path / "pandas"
    own = table_speed.ours(tmp_path / "transactions", here, "lines")
    table_speed.measured("table_speed_pandas.py", tmp_path / "transactions", there, "lines")
    assert own["peak_gb"] < 4
    assert table_speed.equal_values(here, there) > 500
    booked = pq.read_table(there / "lines", columns=["_class", "cancelled_units"])
    assert pc.sum(booked["cancelled_units"]).as_py() > 10
    assert {"row", "duplicate", "matched_cancellation"} <= set(booked["_class"].to_pylist())

    features = there / "features" / "all.parquet"
    table = pq.read_table(features)
    moved = pc.add(table["level_28"], pa.array([0.0] * (len(table) - 1) + [1e-6]))
    at = table.column_names.index("level_28")
    pq.write_table(table.set_column(at, "level_28", moved), features)
    with pytest.raises(AssertionError, match=r"cells that differ: \{'level_28': 1\}"):
        table_speed.equal_values(here, there)
