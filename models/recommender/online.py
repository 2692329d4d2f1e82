"""The online part: an FTRL-proximal logistic model (McMahan et al. 2013) of click or no click, impression by impression.

The offline ranker's score enters as the offset of the model, a summand whose weight is held at 1. What is learned is thus
the residual: where nothing was seen every weight is 0 and the offline order stands, and no feature spends its learning on
what the ranker knows already. The score rounded is a feature too, so that a score that is no log-odds gets put right.

River's optimiser does the learning, one event after the other, so that how events are grouped into batches cannot matter.
It keeps above the 20,000 events a second on one core that are asked; Vowpal Wabbit and micro-batches in NumPy are faster
(row `online-learning` of the benchmark has the figures). River's own logistic model lags: it computes a weight only when
its feature comes again, and leaves one that l1 took back to 0 where it was. So the weights of an event are computed here
before its score, as in algorithm 1 of the paper, and the optimiser is told the weights and the gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import copysign, inf, sqrt, tanh
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
    def weights(self) -> Floats:
        """Weight of every place (2 ** bits,)."""
        found = np.zeros(1 << self.cfg.bits)
        found[self.state["place"]] = self.state["weight"]
        return found

    def scores(self, codes: Ints, offset: Floats) -> Floats:
        """Log-odds of a click (N,) for codes (N, C) and the offline score (N,): what to order a slate by."""
        check_offset(codes, offset)
        places = np.sort(self.features.places(codes, bits=self.cfg.bits, seed=self.cfg.hash_seed), axis=1)
        found = self.weights[places]
        found[:, 1:][places[:, 1:] == places[:, :-1]] = 0.0  # a place counts once, however many features meet there
        learned: Floats = found.sum(axis=1)
        return offset + learned


class OnlineRanker:
    """Learns and scores. Equal config, features and order of events give an equal state, bit by bit."""

    def __init__(self, features: OnlineFeatures, cfg: FtrlConfig, state: Mapping[str, npt.NDArray[Any]] | None = None):
        """Start from nothing or from a `state`. DataError where the state does not fit the config."""
        from river.optim import FTRLProximal

        self.features, self.cfg = features, cfg
        self.events = 0
        # No z exceeds an l1 without bound: the optimiser then takes the weights it is told and does not compute them again.
        self._optimizer: Any = FTRLProximal(alpha=cfg.alpha, beta=cfg.beta, l1=inf, l2=cfg.l2)
        if state is not None:
            self._restore(state)

    def learn(self, batch: OnlineEvents) -> None:
        """Learn of the events, one after the other."""
        places = self._places(batch.codes)
        every, half_life = self.cfg.forget_every_events, self.cfg.half_life_events
        done = 0
        while done < len(batch):
            stop = min(len(batch), done + every - self.events % every)
            self._learn(places[done:stop], batch, slice(done, stop))
            self.events += stop - done
            done = stop
            if half_life is not None and self.events % every == 0:
                self._forget(0.5 ** (every / half_life))

    def scores(self, codes: Ints, offset: Floats) -> Floats:
        """Log-odds of a click (N,) by what was learned up to now."""
        check_offset(codes, offset)
        learned = [sum(self._weights(row).values()) for row in self._places(codes).tolist()]
        return offset + np.asarray(learned, dtype=np.float64)

    @property
    def state(self) -> State:
        """All that was learned: place (M,) ascending, its weight, z and n (M,) float64, and the count of events (1,)."""
        places = sorted(self._optimizer.n)
        weights = self._weights(places)
        return {
            "place": np.array(places, dtype=np.int64),
            "weight": np.array([weights.get(place, 0.0) for place in places], dtype=np.float64),
            "z": np.array([self._optimizer.z[place] for place in places], dtype=np.float64),
            "n": np.array([self._optimizer.n[place] for place in places], dtype=np.float64),
            "events": np.array([self.events], dtype=np.int64),
        }

    def _places(self, codes: Ints) -> Ints:
        return self.features.places(codes, bits=self.cfg.bits, seed=self.cfg.hash_seed)

    def _weights(self, places: list[int]) -> dict[int, float]:
        """The weights at `places` that are not 0."""
        z, n, cfg = self._optimizer.z, self._optimizer.n, self.cfg
        found = {}
        for place in places:
            pulled = z.get(place, 0.0)
            if abs(pulled) > cfg.l1:
                rate = (cfg.beta + sqrt(n[place])) / cfg.alpha + cfg.l2
                found[place] = (copysign(cfg.l1, pulled) - pulled) / rate
        return found

    def _learn(self, places: Ints, batch: OnlineEvents, rows: slice) -> None:
        step = self._optimizer.step
        told = (batch.clicked[rows], batch.weight[rows], batch.offset[rows], places)
        for clicked, weight, offset, row in zip(*(each.tolist() for each in told), strict=True):
            weights = self._weights(row)
            # The logistic function as a hyperbolic tangent, which cannot overflow.
            chance = 0.5 + 0.5 * tanh(0.5 * (offset + sum(weights.values())))
            step(weights, dict.fromkeys(row, weight * (chance - clicked)))

    def _forget(self, keep: float) -> None:
        """Let what was seen count `keep` times: z shrinks as n's root does, so that a well known weight stays, free to move."""
        z, n, root = self._optimizer.z, self._optimizer.n, sqrt(keep)
        for place in n:
            z[place] *= root
            n[place] *= keep

    def _restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        if missing := {"place", "weight", "z", "n", "events"} - set(state):
            raise DataError(f"state: arrays {sorted(missing)} are missing; it is no state of this learner")
        place, size = state["place"], 1 << self.cfg.bits
        shapes = {name: state[name].shape for name in ("place", "weight", "z", "n")}
        if len(set(shapes.values())) > 1 or place.ndim != 1:
            raise DataError(f"state: shapes {shapes} differ, expected one (M,); restore the snapshot before it")
        if len(place) and not 0 <= place.min() <= place.max() < size:
            raise DataError(f"state: place {place.max()}: expected 0 to {size - 1} with bits {self.cfg.bits}")
        places = place.tolist()
        self._optimizer.z.update(zip(places, state["z"].tolist(), strict=True))
        self._optimizer.n.update(zip(places, state["n"].tolist(), strict=True))
        self.events = int(state["events"][0])


def check_offset(codes: Ints, offset: Floats) -> None:
    """InputError where the offline scores (N,) do not fit codes (N, C) or are no log-odds."""
    if offset.shape != codes.shape[:1]:
        raise InputError(f"offset {offset.shape}: expected ({len(codes)},), one for each row of codes")
    bad = ~(np.abs(offset) <= MAX_OFFSET)  # NaN included
    if bad.any():
        raise InputError(f"offset {offset[bad][0]}: expected log-odds from {-MAX_OFFSET:g} to {MAX_OFFSET:g}; clip it")
