"""Filling the online store: only what changed, again after a kill, while readers go on, and through a new layout."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
import reading_along
from reading_along import START, code, faults

from features.engine import connect
from features.layout import ONLINE_VIEW, Layout
from features.online import FeastState, StateBatch, StateError
from features.online_rows import BLOCK, Materialised, PublishError
from features.repository import Repository, apply, materialise, publish_online

ROOT = Path(__file__).resolve().parents[2]
MANY = 2 * BLOCK + 200
LAYOUT = Layout(frequency="daily", state_names=("level", "trend"), covariate_names=("heat", "promo"), horizon=3)
WIDER = LAYOUT.model_copy(update={"state_names": ("level", "trend", "share")})
STORES = ["sqlite", pytest.param("redis", marks=pytest.mark.services)]


@dataclass
class Shop:
    """A repository and what is published into it."""

    repository: Repository
    con: Any
    layout: Layout = LAYOUT

    def publish(self, generation: int, series: Sequence[int], corrected: Sequence[int] = (), revision: int = 1) -> int:
        """Publish origin START + `generation` days of these series; `corrected` ones have other values."""
        origin = START + timedelta(days=generation)
        values = np.array([code(generation, revision if number in corrected else 0, number) for number in series])
        keys = {
            "series_id": [str(number) for number in series],
            "origin": pa.array([origin] * len(series), pa.date32()),
        }
        state = pa.table(keys | dict.fromkeys(self.layout.state_names, values))
        steps = pa.array(np.tile(np.arange(1, self.layout.horizon + 1), len(series)))
        rows = np.arange(len(series)).repeat(self.layout.horizon)
        ahead = pa.table({name: pa.array(column).take(rows) for name, column in keys.items()} | {"step": steps})
        for name in self.layout.covariate_names:
            ahead = ahead.append_column(name, pa.array(values[rows]))
        tables = (ibis.memtable(state), ibis.memtable(ahead))
        return publish_online(self.repository, self.layout, *tables, con=self.con)


@pytest.fixture(params=STORES)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    address = "sqlite" if request.param == "sqlite" else request.getfixturevalue("redis_url")
    return Shop(Repository(folder=tmp_path / "feast", online_store=address, project="shop"), connect(memory_limit_gb=1))


def read(state: FeastState, *series: int) -> list[float | None]:
    """What the values of each series say; None where it is unknown."""
    batch = state.read([str(number) for number in series])
    assert faults(batch, {}) == []
    return [None if np.isnat(day) else float(v) for day, v in zip(batch.origin, batch.state["level"], strict=True)]


def empty(shop: Shop, store: Any) -> None:
    """Lose what the online store holds, as a restart of Redis or a removed file does."""
    if shop.repository.online_store == "sqlite":
        connection = store.provider.online_store._get_conn(store.config)
        connection.execute(f"DELETE FROM shop_{ONLINE_VIEW}")
        connection.commit()
    else:
        import redis

        redis.Redis.from_url(shop.repository.online_store).flushdb()


def test_only_what_changed_is_written(shop: Shop) -> None:
    store = apply(shop.repository, LAYOUT)
    state = FeastState(store)
    assert read(state, 0, 1) == [None, None]
    assert shop.publish(0, range(5)) == 5
    assert materialise(store) == Materialised(5, 5)
    assert materialise(store) == Materialised(5, 0)
    shop.publish(0, range(5), corrected=[1, 3])  # of the same origin, so Feast's own clock sees nothing new
    assert materialise(store) == Materialised(5, 2)
    assert read(state, *range(6)) == [code(0, int(n in {1, 3}), n) for n in range(5)] + [None]
    shop.publish(1, range(6))
    assert materialise(store) == Materialised(6, 6)
    assert read(state, *range(6)) == [code(1, 0, n) for n in range(6)]
    empty(shop, store)
    assert read(state, 0) == [None]
    assert materialise(store) == Materialised(6, 6)
    assert read(state, 5) == [code(1, 0, 5)]


def test_more_series_than_a_statement_takes_are_read(shop: Shop) -> None:
    store = apply(shop.repository, LAYOUT)
    shop.publish(0, [39_999])
    materialise(store)
    found = FeastState(store).read([str(number) for number in range(40_000)]).found
    assert np.flatnonzero(found).tolist() == [39_999]


def test_a_series_that_left_the_plan_ages_out(shop: Shop) -> None:
    store = apply(shop.repository, LAYOUT)
    state = FeastState(store)
    shop.publish(0, [0, 1, 2])
    materialise(store)
    for generation, left in ((1, code(0, 0, 2)), (35, code(0, 0, 2)), (36, None)):
        shop.publish(generation, [0, 1])
        assert materialise(store) == Materialised(2, 2)
        assert read(state, 1, 2) == [code(generation, 0, 1), left]


def test_a_reader_outlives_a_layout_and_never_sees_two(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = apply(shop.repository, LAYOUT)
    shop.publish(0, range(BLOCK + 2))
    materialise(store)
    reader = FeastState.open(shop.repository.folder)
    names = sorted(str(number) for number in range(BLOCK + 2))
    first, last = int(names[0]), int(names[-1])
    shop.layout = WIDER
    store = apply(shop.repository, WIDER)
    shop.publish(1, range(BLOCK + 2))
    write = store.provider.online_write_batch

    def break_off(config: Any, view: Any, rows: list, progress: Any) -> None:
        if len(rows) < BLOCK:
            raise KeyboardInterrupt
        write(config, view, rows, progress)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.provider, "online_write_batch", break_off)
        materialise(store)
    assert read(reader, first, last) == [None, code(0, 0, last)]
    with pytest.raises(StateError, match="materialise again"):
        FeastState(store).read([str(first)])
    assert materialise(store) == Materialised(BLOCK + 2, 2)
    assert read(reader, first, last) == [code(1, 0, first), code(1, 0, last)]
    assert reader.layout == WIDER and set(reader.read(["0"]).state) == set(WIDER.state_names)
    shop.layout = LAYOUT
    shop.publish(2, [first])
    materialise(apply(shop.repository, LAYOUT))
    assert read(reader, first, last) == [code(2, 0, first), None]  # the other one was left behind in a layout


def test_feasts_own_materialisation_gives_the_same_rows(shop: Shop) -> None:
    store = apply(shop.repository, LAYOUT)
    shop.publish(3, range(4), corrected=[2])
    store.materialize(datetime(2023, 12, 1), datetime(2024, 2, 1), feature_views=[ONLINE_VIEW])
    assert read(FeastState(store), *range(5)) == [code(3, int(n == 2), n) for n in range(4)] + [None]
    assert materialise(store) == Materialised(4, 0)


def test_damage_and_a_reserved_name_are_refused(shop: Shop) -> None:
    store = apply(shop.repository, LAYOUT)
    shop.publish(0, [7])
    materialise(store)
    write = store.provider.online_write_batch

    def damage(config: Any, view: Any, rows: list, progress: Any) -> None:
        for _, values, _, _ in rows:
            values["vector"].bytes_val = values["vector"].bytes_val[:-3]
        write(config, view, rows, progress)

    shop.publish(1, [7])
    store.provider.online_write_batch = damage
    materialise(store)
    with pytest.raises(StateError, match=r"'7': .*materialise again"):
        FeastState(store).read(["7"])
    tables = {"series_id": ["storeloop:newest-origin"], "origin": pa.array([START], pa.date32()), "step": [1]}
    values = {name: [1.0] for name in ("level", "trend", "heat", "promo")}
    table, layout = ibis.memtable(pa.table(tables | values)), LAYOUT.model_copy(update={"horizon": 1})
    publish_online(shop.repository, layout, table, table, con=shop.con)
    with pytest.raises(PublishError, match="reserved"):
        materialise(store)


def test_the_reader_tells_what_it_is_there_to_tell() -> None:
    def batch(origin: str, level: float, heat: float) -> StateBatch:
        day = np.array([origin], dtype="datetime64[D]")
        return StateBatch(("7",), day, {"level": np.array([level])}, {"heat": np.array([[heat, heat]])})

    old, new, nothing = code(0, 0, 7), code(1, 0, 7), float("nan")
    latest: dict[str, float] = {}
    assert faults(batch("2024-01-02", new, new), latest) == [] and latest == {"7": new}
    for wrong in (
        batch("2024-01-01", old, old),  # older than before
        batch("2024-01-02", new, old),  # half and half
        batch("2024-01-01", new, new),  # the origin of another row
        batch("2024-01-02", new + 1, new + 1),  # of another series
        batch("NaT", nothing, nothing),  # gone
    ):
        assert len(faults(wrong, latest)) == 1


def child(*arguments: object, **options: Any) -> subprocess.Popen:
    command = [sys.executable, reading_along.__file__, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options)


def test_a_reader_goes_on_while_the_store_is_filled_and_a_writer_killed(shop: Shop, tmp_path: Path) -> None:
    folder, stop = shop.repository.folder, tmp_path / "stop"
    store = apply(shop.repository, LAYOUT)
    shop.publish(0, range(MANY))
    with child("read", folder, MANY, stop, stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout.readline() == "reading\n"
            assert materialise(store) == Materialised(MANY, MANY)  # turns SQLite's log on under the reader's eyes
            shop.publish(1, range(MANY))
            with child("die", folder, BLOCK + 100) as killed:
                assert killed.wait(120) == -9
            # A block that was begun counts for nothing on SQLite; on Redis it was sent, and died with its reply.
            there = BLOCK if shop.repository.online_store == "sqlite" else 2 * BLOCK
            now = read(FeastState(store), *range(MANY))
            assert sum(value == code(1, 0, number) for number, value in enumerate(now)) == there
            assert sum(value == code(0, 0, number) for number, value in enumerate(now)) == MANY - there
            assert materialise(store) == Materialised(MANY, MANY - there)
            for generation in (2, 3, 4):
                shop.publish(generation, range(MANY))
                assert materialise(store).written == MANY
                shop.publish(generation, range(MANY), corrected=range(0, MANY, 3))
                assert materialise(store).written == MANY / 3
        finally:
            stop.touch()
        seen = json.loads(reader.communicate(timeout=120)[0])
    assert reader.returncode == 0
    assert seen["wrong"] == []
    assert seen["reads"] > 50 and len(seen["seen"]) > 3
    assert read(FeastState(store), *range(MANY)) == [code(4, int(n % 3 == 0), n) for n in range(MANY)]
