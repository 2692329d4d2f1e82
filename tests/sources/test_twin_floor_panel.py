"""The panel: what annotators tell is the truth, and tracks are the true ones as a ceiling camera sees them."""

import numpy as np
from floor_case import day, floor

from sources.twin.floor.panel import panel_tables

TABLES = panel_tables(floor(), [2])


def test_looks_and_stops_are_those_of_the_visits() -> None:
    looks, stops, lanes = (TABLES[name].to_pylist() for name in ("looks", "stops", "lanes"))
    ids = floor().studio.appearances.ids
    product = {(row["gondola"], row["lane"]): row["product_id"] for row in lanes}
    for visit in day().truth.visits[:20]:
        seconds: dict[str, float] = {}
        for row in (row for row in looks if row["visit_id"] == visit.visit_id):
            name = product[row["gondola"], row["lane"]]
            seconds[name] = seconds.get(name, 0.0) + row["to_s"] - row["from_s"]
        truth = {ids[p]: s for p, s in day().truth.attention(visit.visit_id).items()}
        assert seconds.keys() == truth.keys()
        assert all(abs(seconds[name] - truth[name]) < 1e-6 for name in truth)
        dwelt = sum(row["to_s"] - row["from_s"] for row in stops if row["visit_id"] == visit.visit_id)
        assert abs(dwelt - sum(day().truth.dwell_s(visit.visit_id).values())) < 1e-6


def test_tracks_lie_about_the_true_ones_by_the_camera_s_noise() -> None:
    tracks, params = TABLES["tracks"], floor().params.ceiling
    off = []
    for person in tracks["person"].unique().to_pylist():
        own = tracks.filter(np.array(tracks["person"].to_pylist()) == person)
        at_s = own["at_s"].to_numpy()
        assert (np.diff(at_s) > 0).all()
        true = day().truth.tracks[person].at(at_s)
        off.append(np.column_stack([own["x"].to_numpy(), own["y"].to_numpy()]) - true)
    spread = np.concatenate(off).std(axis=0)
    assert (spread > params.noise_m).all() and (spread < params.noise_m + 3 * params.noise_per_m).all()
    assert np.abs(np.concatenate(off).mean(axis=0)).max() < 0.01


def test_no_table_but_the_annotations_tells_truth() -> None:
    """Who was not seen, and what nobody could see, is in looks and stops alone."""
    assert set(TABLES["tracks"].column_names) == {"visit_id", "person", "at_s", "x", "y"}
    assert set(TABLES["mat_activity"].column_names) == {"day", "gondola", "level", "at_s"}
    mats = day().observed.mats
    assert TABLES["mat_activity"].num_rows == len(mats.at_s)
