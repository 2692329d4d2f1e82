"""What scales and RFID antennas show of a gondola while customers reach into it.

A scale under each board weighs what stands on it, with the hand that rests there, noise and a slow drift. An antenna behind each
board reads the tags on it now and then, and sometimes those of a neighbouring board, of what is in a hand before it, or of goods
elsewhere in the shop. Tables carry each sensor's own clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.params import SensorParams
from sources.twin.cameras.planogram import Gondola
from sources.twin.cameras.story import Story

_TEXT, _REAL = pa.string(), pa.float64()
WEIGHTS = pa.schema([("sensor_id", _TEXT), ("at_s", _REAL), ("grams", _REAL)])
RFID_READS = pa.schema([("antenna_id", _TEXT), ("at_s", _REAL), ("epc", _TEXT), ("rssi_dbm", _REAL)])
TAGS = pa.schema([("epc", _TEXT), ("product_id", _TEXT)])
_SETTLES_S = 0.12  # time constant of a scale
_ELSEWHERE = 8  # tagged goods elsewhere in the shop that antennas may read
_NEIGHBOUR_DB, _HAND_DB, _ELSEWHERE_DB = 9.0, 6.0, 14.0  # weaker than on the own board
_HAND_READ = 0.35  # times the chance on the board: a hand shields the tag


@dataclass(frozen=True, eq=False)
class Sensed:
    """Tables of a clip: `weights` in grams by scale W1 (lowest board) up, `reads` of antennas R1 up, ascending by time, and `tags`:
    which product each tag was put on, foreign ones included, as the shop's books say. `offsets` (clock minus true time) and
    `epcs` by item are truth."""

    weights: pa.Table
    reads: pa.Table
    tags: pa.Table
    offsets: dict[str, float]
    epcs: dict[str, int]


@dataclass(frozen=True, eq=False)
class Units:
    """Single packages: `product` (N,), the `epc` of each one's tag, whether the tag is `alive` (N,), and weight in `grams` (N,)."""

    product: Ints
    epc: Sequence[str]
    alive: Bools
    grams: Floats


def sense(
    params: SensorParams,
    clock_offset_s: float,
    story: Story,
    gondola: Gondola,
    appearances: Appearances,
    rng: np.random.Generator,
    *,
    units: Units | None = None,
    clocks: Mapping[str, float] | None = None,
) -> Sensed:
    """All readings of a story. Its packages, and some elsewhere in the shop, are drawn where `units` does not give them: their
    weights then spread about the catalogue's. `clocks` are the offsets of sensors that are known."""
    levels = len(gondola.boards)
    names = [f"{kind}{level + 1}" for kind in "WR" for level in range(levels)]
    offsets = {name: float(rng.uniform(-clock_offset_s, clock_offset_s)) for name in names}
    offsets |= {name: offset for name, offset in (clocks or {}).items() if name in offsets}
    on_board = _on_boards(story, gondola)
    net = np.array([appearances[placed.product].weight_g for placed in story.items])
    grams = net * np.exp(params.package_spread * rng.normal(size=net.size))
    if units is not None:
        grams = units.grams[: net.size]
    weights = _weights(params, story, on_board, grams, offsets, rng)
    if units is None:
        units = _drawn_units(params, story, appearances, grams, rng)
    reads = _reads(params, story, on_board, units, offsets, rng)
    ids = [appearances.ids[product] for product in units.product.tolist()]
    tags = pa.table([pa.array(units.epc, _TEXT), pa.array(ids, _TEXT)], schema=TAGS)
    epcs = {epc: item for item, epc in enumerate(units.epc[: net.size])}
    return Sensed(weights, reads, tags, offsets, epcs)


def epc_of(product: int, serial: int) -> str:
    """The code of a package's tag: a company prefix, then the product, then a serial number below 2^32, as serialised item numbers
    have it."""
    return f"3034257BF4{product:06X}{serial:08X}"


def _drawn_units(
    params: SensorParams, story: Story, appearances: Appearances, grams: Floats, rng: np.random.Generator
) -> Units:
    """The story's packages, then some from elsewhere."""
    products = [placed.product for placed in story.items]
    products += rng.integers(len(appearances), size=_ELSEWHERE).tolist()
    serials = rng.integers(2**24, size=len(products)).tolist()
    epcs = [epc_of(p, (serial << 8) + k % 256) for k, (p, serial) in enumerate(zip(products, serials, strict=True))]
    return Units(np.array(products), epcs, rng.random(len(products)) >= params.rfid_dead, grams)


def _on_boards(story: Story, gondola: Gondola) -> Bools:
    """Whether each item stands on each board in each state of the story, (states, levels, items)."""
    found = np.zeros((len(story.standing), len(gondola.boards), len(story.items)), dtype=bool)
    for number, state in enumerate(story.standing):
        for item, lane in state.lanes.items():
            found[number, gondola.lanes[lane].level, item] = True
    return found


def _weights(
    params: SensorParams,
    story: Story,
    on_board: Bools,
    unit: Floats,
    offsets: dict[str, float],
    rng: np.random.Generator,
) -> pa.Table:
    times = np.arange(0.0, story.length_s, 1.0 / params.weight_hz)
    changes = np.array([state.from_s for state in story.standing])
    rows = []
    for level in range(on_board.shape[1]):
        load = on_board[:, level] @ unit  # (states,)
        grams = np.full(times.shape, load[0])
        for before, after, since in zip(load[:-1], load[1:], changes[1:], strict=True):
            grams += (after - before) * -np.expm1(-np.maximum(times - since, 0.0) / _SETTLES_S)
        for reach in story.reaches:
            for touched, start, end in reach.touches:
                if touched == level:
                    resting = (times >= start) & (times <= end)
                    grams[resting] += params.touch_g * rng.normal(size=int(resting.sum()))
        grams += params.weight_drift_g * np.cumsum(rng.normal(size=times.size)) / np.sqrt(params.weight_hz)
        grams += params.weight_noise_g * rng.normal(size=times.size)
        name = f"W{level + 1}"
        shown = np.round(grams / params.weight_step_g) * params.weight_step_g
        rows.append(_rows(WEIGHTS, name, times + offsets[name], shown))
    return pa.concat_tables(rows).combine_chunks().sort_by([("at_s", "ascending"), ("sensor_id", "ascending")])


def _reads(
    params: SensorParams,
    story: Story,
    on_board: Bools,
    units: Units,
    offsets: dict[str, float],
    rng: np.random.Generator,
) -> pa.Table:
    times = np.arange(0.0, story.length_s, 1.0 / params.rfid_hz)
    state = np.searchsorted([each.from_s for each in story.standing], times, side="right") - 1
    held = np.zeros((times.size, len(units.epc)), dtype=bool)
    for number, at_s in enumerate(times):
        for placed in story.held(float(at_s)):
            held[number, placed.item] = True
    rows = []
    for level in range(on_board.shape[1]):
        chance, weaker = np.zeros(held.shape), np.zeros(held.shape)
        items = len(story.items)
        for other in range(on_board.shape[1]):
            there = on_board[state, other]  # (times, items)
            if other == level:
                chance[:, :items][there] = params.rfid_read
            elif abs(other - level) == 1:
                chance[:, :items][there], weaker[:, :items][there] = params.rfid_stray, _NEIGHBOUR_DB
        own = [any(lv == level and a <= t <= b for r in story.reaches for lv, a, b in _near(r.touches)) for t in times]
        in_hand = held & np.array(own, dtype=bool)[:, None]
        chance[in_hand], weaker[in_hand] = _HAND_READ * params.rfid_read, _HAND_DB
        chance[:, items:], weaker[:, items:] = 0.5 * params.rfid_stray, _ELSEWHERE_DB
        read = (rng.random(held.shape) < chance) & units.alive
        rounds, tags = np.nonzero(read)
        name = f"R{level + 1}"
        signal = params.rfid_rssi_dbm - weaker[read] + params.rfid_rssi_spread * rng.normal(size=rounds.size)
        at_s = times[rounds] + offsets[name] + rng.uniform(0, 0.5 / params.rfid_hz, rounds.size)
        rows.append(_rows(RFID_READS, name, at_s, np.array(units.epc, dtype=object)[tags], np.round(signal, 1)))
    return pa.concat_tables(rows).combine_chunks().sort_by([("at_s", "ascending"), ("epc", "ascending")])


def _near(touches: tuple[tuple[int, float, float], ...]) -> list[tuple[int, float, float]]:
    """A hand is before the board a little longer than it rests on it."""
    return [(level, start - 0.5, end + 0.5) for level, start, end in touches]


def _rows(schema: pa.Schema, name: str, at_s: Floats, *columns: np.ndarray) -> pa.Table:
    made = [pa.array([name] * len(at_s), _TEXT), pa.array(np.round(at_s, 4), _REAL)]
    made += [pa.array(column.tolist(), field.type) for column, field in zip(columns, list(schema)[2:], strict=True)]
    return pa.table(made, schema=schema)
