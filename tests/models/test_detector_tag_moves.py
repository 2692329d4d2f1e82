"""Tags at a gondola by hand: which left a board, which came, which were never read; and from noisy rounds."""

from dataclasses import replace

import numpy as np
import pytest

from models.common.protocols import InputError
from models.detector import tag_moves
from models.detector.beliefs import TagNoise
from models.detector.observed import TagReads
from models.detector.tag_moves import ClipReads, tag_paths

NOISE, ROUNDS = TagNoise(), 20  # 4 s


def clip(from_s: float, on: dict[str, list[int]], chance: float = 1.0, seed: int = 0) -> ClipReads:
    """Tags of product 7 with the board that each lies on in each round, -1 on none; read there with a chance."""
    rng, epcs = np.random.default_rng(seed), list(on)
    rows = [
        (board, (k + 0.5) / NOISE.rounds_per_s, tag)
        for tag, epc in enumerate(epcs)
        for k, board in enumerate(on[epc])
        if board >= 0 and rng.random() < chance
    ]
    level, at_s, tag = (np.array(part) for part in zip(*rows, strict=True)) if rows else (np.empty(0, dtype=int),) * 3
    reads = TagReads(level, at_s, tag, np.full(len(rows), NOISE.on_dbm), np.full(len(epcs), 7))
    return ClipReads(from_s, ROUNDS / NOISE.rounds_per_s, reads, epcs)


STAYS, GONE = [0] * ROUNDS, [-1] * ROUNDS
LEAVES, COMES = [0] * 9 + [-1] * 11, [-1] * 5 + [1] * 15


def test_what_left_what_came_and_what_is_silent() -> None:
    """One leaves board 0 after nine rounds of 0.2 s of the first clip, and comes to board 1 after five of the second."""
    first = clip(100.0, {"stays": STAYS, "moves": LEAVES, "dead": GONE})
    second = clip(200.0, {"moves": COMES, "dead": GONE, "stays": STAYS})
    told = tag_paths([first, second], 2, NOISE)
    assert [(move.deed, move.epc, move.product, move.level, round(move.at_s, 3)) for move in told.moves] == [
        ("take", "moves", 7, 0, 101.8),
        ("put", "moves", 7, 1, 201.0),
    ]
    assert told.read == {"stays", "moves"}


def test_a_round_or_two_that_is_missed_moves_nothing() -> None:
    """Seven in ten are read; what clips before and after tell bridges the ends, where rounds are few."""
    for seed in range(10):
        clips = [
            clip(100.0, {"stays": STAYS, "moves": STAYS}, 0.7, seed),
            clip(200.0, {"stays": STAYS, "moves": [0] * 19 + [-1]}, 0.7, 100 + seed),
            clip(300.0, {"stays": STAYS, "moves": GONE}, 0.7, 200 + seed),
        ]
        (move,) = tag_paths(clips, 2, NOISE).moves
        assert (move.deed, move.epc) == ("take", "moves") and move.at_s == pytest.approx(203.8, abs=1.0)


@pytest.mark.parametrize(("rounds", "moves"), [(6, ["take 0"]), (12, ["put 1", "take 0", "take 1"])])
def test_a_board_that_a_tag_is_carried_past(rounds: int, moves: list[str]) -> None:
    """It leaves board 0 and is read at board 1 for 1.2 s, on the way out; for 2.4 s it has lain there."""
    path = [0] * 4 + [1] * rounds + [-1] * (ROUNDS - 4 - rounds)
    clips = [clip(from_s, {"stays": STAYS, "moves": way}) for from_s, way in ((100.0, path), (200.0, GONE))]
    told = tag_paths(clips, 2, NOISE)
    assert sorted(f"{move.deed} {move.level}" for move in told.moves) == moves
    assert told.moves[0].at_s == pytest.approx(100.8)


def test_what_came_unfilmed_between_two_clips_may_have_lain_long() -> None:
    """At board 1 in the first eight rounds of the second clip, 1.6 s; somebody then takes it."""
    clips = [clip(100.0, {"stays": STAYS, "moves": GONE}), clip(200.0, {"stays": STAYS, "moves": [1] * 8 + [-1] * 12})]
    told = tag_paths(clips, 2, NOISE)
    assert [(move.deed, move.level, round(move.at_s, 1)) for move in told.moves] == [
        ("put", 1, 200.0),
        ("take", 1, 201.6),
    ]


def test_nothing_and_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tag_paths([], 2, NOISE).moves == ()
    good = clip(0.0, {"a": STAYS})
    for wrong, why in (
        (replace(good, epc=["a", "b"]), "name each"),
        (replace(good, length_s=np.nan), "finite"),
        (replace(good, reads=replace(good.reads, tag=good.reads.tag + 1)), "of 1, numbered from 0"),
        (replace(good, reads=replace(good.reads, level=good.reads.level + 2)), "of 2, numbered from 0"),
    ):
        with pytest.raises(InputError, match=why):
            tag_paths([wrong], 2, NOISE)
    monkeypatch.setattr(tag_moves, "MOST_CELLS", 39)
    with pytest.raises(InputError, match="20 rounds of 2 antennas and 1 tags"):
        tag_paths([good], 2, NOISE)
