"""Readings of scales and antennas: taken as they come, in turns that no loop waits long for, however long the file has grown."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import eyes_shelf as SHELF
import numpy as np
import pytest

from edge.eyes.fused import FusedShelf
from edge.eyes.sensors import AT_ONCE, SensorLog


def test_readings_are_taken_as_they_come_and_nonsense_is_counted(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    file = tmp_path / "readings.jsonl"
    first = SHELF.START.timestamp()
    log = SensorLog(spec := SHELF.spec_of(clips[0][0], file))
    log.read(first, first + 10)
    assert log.weights(0, 1e12) is None, "no file yet"
    line = '{"kind": "weight", "board": 1, "time": "2026-01-05T08:00:02+00:00", "grams": 10.5}'
    file.write_text(line + "\n" + line.replace("02+", "01+")[:40])
    log.read(first, first + 10)
    with file.open("a") as added:
        added.write(line.replace("02+", "01+")[40:] + "\n")
        added.write(
            '{"kind": "weight", "board": 99, "time": "2026-01-05T08:00:02Z", "grams": 1}\n' + "x" * 5_000 + "\n"
        )
        added.write(
            '{"kind": "tag", "board": 0, "time": "2026-01-05T08:00:03Z", "epc": "of a passer-by", "rssi_dbm": -60}\n'
        )
        added.write('{"kind": "tag", "board": 0, "time": "2026-01-05T08:00:03Z", "epc": "epc0", "rssi_dbm": -60}\n')
    log.read(first, first + 10)
    told, heard = log.weights(first, first + 10), log.tags(first, first + 10, ["none", *spec.products])
    assert (told.at_s.tolist(), told.grams.tolist(), told.level.tolist()) == ([1.0, 2.0], [10.5, 10.5], [1, 1])
    assert (heard.tag.tolist(), heard.at_s.tolist(), log.broken) == ([0], [3.0], 2)
    assert heard.product.tolist()[:3] == [1 + spec.products.index(each) for each in list(spec.tags.values())[:3]]
    assert log.tags(first, first + 10, ["p9"]).product.max() <= 0, "products that are not asked for are not known"
    assert log.weights(first + 5, first + 10) is None


def line(second: float, grams: float = 1.0) -> str:
    at = (SHELF.START + timedelta(seconds=second)).isoformat()
    return json.dumps({"kind": "weight", "board": 0, "time": at, "grams": grams}) + "\n"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all lines that are taken apart."""
    taken: list[int] = []
    whole = SensorLog._take

    def take(log: SensorLog, line: bytes) -> None:
        taken.append(len(line))
        whole(log, line)

    monkeypatch.setattr(SensorLog, "_take", take)
    return taken


def test_days_of_readings_are_skipped_at_a_restart(tmp_path: Path, counted: list[int]) -> None:
    """200,000 readings, one a second: 20 MB of which the last ten seconds are wanted."""
    file, first = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    file.write_text("".join(line(second, second) for second in range(200_000)))
    log = SensorLog(SHELF.small_spec(sensors=file))
    log.read(first + 199_990, first + 200_000)
    assert log.weights(first + 199_990, first + 200_000).grams.tolist() == list(range(199_990, 200_000))
    assert len(counted) < 2_000
    with file.open("a") as added:
        added.write(line(200_000, 7.0))
    log.read(first + 199_992, first + 200_002)
    assert log.weights(first + 200_000, first + 200_002).grams.tolist() == [7.0], "and it goes on from there"


def test_no_turn_takes_more_than_its_bound(tmp_path: Path, counted: list[int]) -> None:
    """All readings lie in the window: what one turn leaves the next ones take."""
    file, first = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    file.write_text("".join(line(number / 1e4, number) for number in range(30_000)))
    log, turns = SensorLog(SHELF.small_spec(sensors=file)), 0
    while len(counted) < 30_000:
        before, turns = sum(counted), turns + 1
        log.read(first, first + 10)
        assert 0 < sum(counted) - before <= AT_ONCE
    assert turns == -(-file.stat().st_size // AT_ONCE) > 1
    assert log.weights(first, first + 10).grams.tolist() == list(range(30_000)) and log.broken == 0


def test_films_of_old_find_their_readings_however_many_follow(tmp_path: Path) -> None:
    """A day of readings is written already when its films are looked at: later ones do not push out those of the window."""
    file, start = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    file.write_text("".join(line(number / 2, number) for number in range(150_000)))
    log = SensorLog(SHELF.small_spec(sensors=file))
    for now in (*range(10, 100, 2), *range(40_000, 40_100, 2)):
        log.read(start + now - 10, start + now)
        told = log.weights(start + now - 10, start + now)
        assert told is not None and told.grams.tolist() == list(range(2 * now - 20, 2 * now + 1)), now


def test_a_driver_whose_clock_was_ahead_stops_nothing(tmp_path: Path) -> None:
    """An hour of readings told as tomorrow's, then the clock is put right: those that come now are taken now."""
    file, first = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    file.write_text("".join(line(86_400 + second) for second in range(60_000)))
    log = SensorLog(SHELF.small_spec(sensors=file))
    for _ in range(3):
        log.read(first, first + 10)
    with file.open("a") as added:
        added.write(line(5.0, 42.0))
    for _ in range(-(-file.stat().st_size // AT_ONCE) + 1):
        log.read(first, first + 10)
    assert log.weights(first, first + 10).grams.tolist() == [42.0]


def test_lines_of_nonsense_at_any_place_end_the_search_for_none(tmp_path: Path) -> None:
    file, first = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    noise = "x" * 3_000 + "\n"
    file.write_text("".join(line(second, second) + noise * (second % 100 == 0) for second in range(20_000)) + noise)
    log = SensorLog(SHELF.small_spec(sensors=file))
    for _ in range(4):
        log.read(first + 19_990, first + 20_000)
    assert log.weights(first + 19_990, first + 20_000).grams.tolist() == list(range(19_990, 20_000))


def test_films_that_are_looked_at_again_find_their_readings_again(tmp_path: Path) -> None:
    file, start = tmp_path / "readings.jsonl", SHELF.START.timestamp()
    file.write_text("".join(line(number / 100, number) for number in range(6_000)))
    shelf, told = FusedShelf(SHELF.small_spec(sensors=file), box="b1"), []
    for second in (*range(60), *range(60)):
        shelf.add("a", start + second, np.array([[1.0, 1.0, 5.0, 5.0]]), [{}])
        found = shelf._sensors.weights(start + second - 10, start + second)
        told.append(0 if found is None else found.grams.size)
    assert told[:60] == told[60:] and told[-1] >= 900
