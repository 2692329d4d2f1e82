"""Snapshots: what is written is what is read, whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features.online import SnapshotState, StateBatch, StateError, write_snapshot

BATCH = StateBatch(
    series_ids=("S1/P1", "S1/P2"),
    origin=np.array(["2024-03-03", "2024-03-02"], dtype="datetime64[D]"),
    state={"scale": np.array([1.5, 2.5]), "level_7": np.array([np.nan, 4.0])},
    known_future={"promo_depth": np.array([[0.0, 0.3, np.nan], [0.1, 0.2, 0.4]])},
)


def test_reading_gives_back_what_was_written_in_the_order_asked(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "state", BATCH)
    snapshot = SnapshotState(tmp_path / "state")
    assert snapshot.series_ids == BATCH.series_ids
    got = snapshot.read(["S1/P2", "nobody", "S1/P1"])
    np.testing.assert_array_equal(got.found, [True, False, True])
    np.testing.assert_array_equal(got.origin, np.array(["2024-03-02", "NaT", "2024-03-03"], dtype="datetime64[D]"))
    np.testing.assert_array_equal(got.state["level_7"], [4.0, np.nan, np.nan])
    np.testing.assert_array_equal(got.known_future["promo_depth"], [[0.1, 0.2, 0.4], [np.nan] * 3, [0.0, 0.3, np.nan]])
    assert got.horizon == 3
    assert snapshot.read([]).origin.shape == (0,)


def test_equal_batches_give_equal_bytes_and_a_snapshot_never_changes(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "a", BATCH)
    write_snapshot(tmp_path / "b", BATCH)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["snapshot.json", "state.safetensors"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    write_snapshot(tmp_path / "a", BATCH)
    other = StateBatch(BATCH.series_ids, BATCH.origin, {"scale": np.array([9.0, 9.0])}, {})
    with pytest.raises(StateError, match="never changes"):
        write_snapshot(tmp_path / "a", other)
    assert SnapshotState(tmp_path / "a").read(["S1/P1"]).state["scale"][0] == 1.5
    assert not list(tmp_path.glob(".a.*")), "no partial folder may stay behind"


def test_damage_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    write_snapshot(folder, BATCH)
    tensors, index = folder / "state.safetensors", folder / "snapshot.json"
    good, text = tensors.read_bytes(), index.read_text()
    tensors.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(StateError, match="sha256"):
        SnapshotState(folder)
    tensors.write_bytes(good)
    index.write_text(json.dumps(json.loads(text) | {"state_names": ["scale"]}))
    with pytest.raises(StateError, match="its index says"):
        SnapshotState(folder)
    index.unlink()
    with pytest.raises(StateError, match="no readable snapshot"):
        SnapshotState(folder)


def test_batches_of_unequal_shape_and_unfit_snapshots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="scale"):
        StateBatch(("a",), BATCH.origin[:1], {"scale": np.zeros(2)}, {})
    with pytest.raises(StateError, match="one shape"):
        StateBatch(("a",), BATCH.origin[:1], {}, {"x": np.zeros((1, 3)), "y": np.zeros((1, 2))})
    unknown = StateBatch(("a",), np.array(["NaT"], dtype="datetime64[D]"), {}, {})
    with pytest.raises(StateError, match="known origin"):
        write_snapshot(tmp_path / "x", unknown)


def test_containers_need_neither_feast_nor_a_table_engine() -> None:
    code = (
        "import sys, features, features.online\n"
        "heavy = {'feast', 'duckdb', 'ibis', 'pandas', 'pyarrow', 'safetensors', 'pyspark'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else 0)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
