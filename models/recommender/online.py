"""The online part: an FTRL-proximal logistic model (McMahan et al. 2013) of click or no click, impression by impression.

The offline ranker's score enters as the offset of the model, a summand whose weight is held at 1. What is learned is thus
the residual: where nothing was seen every weight is 0 and the offline order stands, and no feature spends its learning on
what the ranker knows already. The score rounded is a feature too, so that a score that is no log-odds gets put right.

Vowpal Wabbit does the learning: 5 times the asked 20,000 events a second on one core, of which River reaches a twentieth
(figures: row `online-learning` of the benchmark). It takes one event after the other, so that how events are grouped into
batches cannot matter. Its model file we leave alone: it omits alpha, beta, l1 and l2, and of files cut short or with a
flipped bit most load without a word. The state goes in and out as arrays, with a checksum of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError, InputError
from models.recommender.histories import Ints
from models.recommender.online_config import FtrlConfig
from models.recommender.online_features import OnlineFeatures

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
State = dict[str, npt.NDArray[Any]]
MAX_OFFSET = 30.0  # log-odds; a chance of 1e-13
MAX_WEIGHT = 1_000.0
WEIGHT, GRADIENTS, SQUARES = 0, 1, 2  # what Vowpal Wabbit keeps at a place: w, z and n of the paper


@dataclass(frozen=True)
class OnlineEvents:
    """N impressions with their outcome: codes (N, C) of `OnlineFeatures`, offset (N,) in log-odds, clicked (N,).

    `weight` (N,) multiplies an event's gradient: 1, or 1 / propensity to learn of what was shown seldom as if all were shown
    alike (it raises the variance; cap it). InputError names the field, the value and the bound.
    """

    codes: Ints
    offset: Floats
    clicked: Bools
    weight: Floats

    def __post_init__(self) -> None:
        check_offset(self.codes, self.offset)
        for name in ("clicked", "weight"):
            if (found := getattr(self, name).shape) != (len(self.codes),):
                raise InputError(f"{name} {found}: expected ({len(self.codes)},), one for each row of codes")
        bad = ~((self.weight > 0) & (self.weight <= MAX_WEIGHT))  # NaN included
        if bad.any():
            raise InputError(f"weight {self.weight[bad][0]}: expected above 0, at most {MAX_WEIGHT:g}; cap it")

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class OnlineScorer:
    """Scores by weights that have been learned: NumPy alone, for serving and the edge."""

    features: OnlineFeatures
    cfg: FtrlConfig
    state: Mapping[str, npt.NDArray[Any]]

    @cached_property
    def weights(self) -> npt.NDArray[np.float32]:
        """Weight of every place (2 ** bits,)."""
        found = np.zeros(1 << self.cfg.bits, dtype=np.float32)
        found[self.state["place"]] = self.state["weight"]
        return found

    def scores(self, codes: Ints, offset: Floats) -> Floats:
        """Log-odds of a click (N,) for codes (N, C) and the offline score (N,): what to order a slate by."""
        check_offset(codes, offset)
        places = self.features.places(codes, bits=self.cfg.bits, seed=self.cfg.hash_seed)
        learned: Floats = self.weights[places].sum(axis=1, dtype=np.float64)
        return offset + learned


class OnlineRanker:
    """Learns and scores. Equal config, features and order of events give an equal state, bit by bit."""

    def __init__(self, features: OnlineFeatures, cfg: FtrlConfig, state: Mapping[str, npt.NDArray[Any]] | None = None):
        """Start from nothing or from a `state`. DataError where the state does not fit the config."""
        import vowpalwabbit

        self.features, self.cfg = features, cfg
        self.events = 0
        self._touched = np.zeros(1 << cfg.bits, dtype=np.bool_)
        self._vw: Any = vowpalwabbit.Workspace(
            f"--ftrl --ftrl_alpha {cfg.alpha!r} --ftrl_beta {cfg.beta!r} --l1 {cfg.l1!r} --l2 {cfg.l2!r} "
            f"--bit_precision {cfg.bits} --loss_function logistic --noconstant --quiet"
        )
        if state is not None:
            self._restore(state)

    def learn(self, batch: OnlineEvents) -> None:
        """Learn of the events, one after the other."""
        places = self._places(batch.codes)
        every = self.cfg.forget_every_events if self.cfg.half_life_events else len(batch) + 1
        done = 0
        while done < len(batch):
            stop = min(len(batch), done + every - self.events % every)
            self._learn(places[done:stop], batch, slice(done, stop))
            self.events += stop - done
            done = stop
            if self.cfg.half_life_events and self.events % every == 0:
                self._forget(0.5 ** (every / self.cfg.half_life_events))

    def scores(self, codes: Ints, offset: Floats) -> Floats:
        """Log-odds of a click (N,) by what was learned up to now."""
        check_offset(codes, offset)
        rows, predict = self._places(codes).tolist(), self._vw.predict
        learned = [predict(f"| {' '.join(map(str, row))}") for row in rows]
        return offset + np.asarray(learned, dtype=np.float64)

    @property
    def state(self) -> State:
        """All that was learned: place (M,) ascending, weight, z and n (M,) float32 there, and the count of events (1,)."""
        places, read = np.flatnonzero(self._touched), self._vw.get_weight
        rows = [(read(at, WEIGHT), read(at, GRADIENTS), read(at, SQUARES)) for at in places.tolist()]
        values = np.asarray(rows, dtype=np.float32).reshape(len(places), 3)
        return {
            "place": places.astype(np.int64),
            "weight": np.ascontiguousarray(values[:, WEIGHT]),
            "z": np.ascontiguousarray(values[:, GRADIENTS]),
            "n": np.ascontiguousarray(values[:, SQUARES]),
            "events": np.array([self.events], dtype=np.int64),
        }

    def _places(self, codes: Ints) -> Ints:
        return self.features.places(codes, bits=self.cfg.bits, seed=self.cfg.hash_seed)

    def _learn(self, places: Ints, batch: OnlineEvents, rows: slice) -> None:
        self._touched[places] = True
        learn = self._vw.learn
        told = zip(
            np.where(batch.clicked[rows], 1, -1).tolist(),
            batch.weight[rows].tolist(),
            batch.offset[rows].tolist(),
            places.tolist(),
            strict=True,
        )
        for label, weight, offset, row in told:
            # The space before the bar matters: without it the offset would be read as the event's name.
            learn(f"{label} {weight:.9g} {offset:.9g} | {' '.join(map(str, row))}")

    def _forget(self, keep: float) -> None:
        """Let what was seen count `keep` times: z shrinks as n's root does, so that a well known weight stays, free to move."""
        state, cfg = self.state, self.cfg
        z = state["z"] * np.float32(keep**0.5)
        n = state["n"] * np.float32(keep)
        pull = np.sign(z) * np.maximum(np.abs(z) - np.float32(cfg.l1), np.float32(0))
        weight = -pull / ((np.float32(cfg.beta) + np.sqrt(n)) / np.float32(cfg.alpha) + np.float32(cfg.l2))
        self._write(state["place"], weight, z, n)

    def _restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        if missing := {"place", "weight", "z", "n", "events"} - set(state):
            raise DataError(f"state: arrays {sorted(missing)} are missing; it is no state of this learner")
        place, size = state["place"], 1 << self.cfg.bits
        shapes = {name: state[name].shape for name in ("place", "weight", "z", "n")}
        if len(set(shapes.values())) > 1 or place.ndim != 1:
            raise DataError(f"state: shapes {shapes} differ, expected one (M,); restore the snapshot before it")
        if len(place) and not 0 <= place.min() <= place.max() < size:
            raise DataError(f"state: place {place.max()}: expected 0 to {size - 1} with bits {self.cfg.bits}")
        self._touched[place] = True
        self._write(place, state["weight"], state["z"], state["n"])
        self.events = int(state["events"][0])

    def _write(self, place: Ints, *values: npt.NDArray[Any]) -> None:
        write = self._vw.set_weight
        for offset, column in zip((WEIGHT, GRADIENTS, SQUARES), values, strict=True):
            for at, value in zip(place.tolist(), column.tolist(), strict=True):
                write(at, offset, value)


def check_offset(codes: Ints, offset: Floats) -> None:
    """InputError where the offline scores (N,) do not fit codes (N, C) or are no log-odds."""
    if offset.shape != codes.shape[:1]:
        raise InputError(f"offset {offset.shape}: expected ({len(codes)},), one for each row of codes")
    bad = ~(np.abs(offset) <= MAX_OFFSET)  # NaN included
    if bad.any():
        raise InputError(f"offset {offset[bad][0]}: expected log-odds from {-MAX_OFFSET:g} to {MAX_OFFSET:g}; clip it")
