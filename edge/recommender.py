"""The recommender on a kiosk: what a customer may take next, offline, from item vectors and graphs of its bundle alone.

A bundle holds no customers: what is known of one comes with the request, from the basket or the card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.bots import Answer, SelfTestError, SelfTestReport
from models.common.artifact import read_manifest
from models.common.protocols import InputError
from models.recommender.fallback import PopularItems, read_popular
from models.recommender.histories import Histories
from models.recommender.predict import Predictor, load

LEFT_OUT = ("customers",)  # folders of a release that go into no bundle
PRECISE = ("ranker.onnx",)  # some 50 kB; 8 bits would swap neighbours in its order
HISTORY_MAX = 1_000
K_MAX = 100
SELF_TEST_CUSTOMERS = 32
SELF_TEST_LENGTHS = (1, 20)  # items of a history it asks about
SELF_TEST_K = 10
REASONS = 3  # items of the history that are named for a recommended one
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-3  # of scores: sums of some hundred float32, and logarithms of these
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class KioskRequest(BaseModel):
    """What a kiosk is asked: what the customer took, what may not be shown, how many items are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    history: list[Name] = Field(
        default=[],
        max_length=HISTORY_MAX,
        description="items taken, oldest first; those the model does not know are passed over",
    )
    k: int = Field(default=10, ge=1, le=K_MAX, strict=True)
    segment: str = Field(
        default="", max_length=200, description="for the popular items, where the model does not answer"
    )
    unavailable: list[Name] = Field(
        default=[], max_length=100_000, description="items that this shop does not have now"
    )
    reasons: bool = Field(default=False, strict=True, description="name the items of the history that speak for each")


@dataclass(frozen=True)
class Question:
    """A checked request; `allowed` (I,) is None where nothing is unavailable."""

    history: tuple[str, ...]
    k: int
    segment: str
    unavailable: frozenset[str]
    allowed: npt.NDArray[np.bool_] | None
    reasons: bool


def open_bot(folder: Path) -> "RecommenderBot":
    """Open the release in `folder`; ArtifactError or FallbackError when a part of it is not whole."""
    until = read_manifest(folder / "artifact").trained_until.isoformat()
    return RecommenderBot(load(folder / "artifact"), read_popular(folder / "fallback"), knows_until=until)


class RecommenderBot:
    """`edge.bots.EdgeBot` of the recommender."""

    def __init__(self, predictor: Predictor, popular: PopularItems, *, knows_until: str) -> None:
        self._predictor, self._popular, self._knows_until = predictor, popular, knows_until

    def check(self, request: Mapping[str, Any]) -> Question:
        """Bounds, and something left to recommend; InputError otherwise."""
        try:
            asked = KioskRequest.model_validate(dict(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "request"
            raise InputError(f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
        unavailable = frozenset(asked.unavailable)
        allowed = None
        if unavailable:
            allowed = np.asarray([item not in unavailable for item in self._predictor.spec.items], dtype=np.bool_)
            if not allowed.any():
                raise InputError(f"unavailable: none of {allowed.size} items is left: name those that are out of stock")
        return Question(tuple(asked.history), asked.k, asked.segment, unavailable, allowed, asked.reasons)

    def ask(self, request: Question) -> Answer:
        """The best items by the model; of a customer of whom it knows nothing, what most take."""
        histories = self._predictor.histories([request.history])
        items, scores = self._predictor.shortlist(histories, request.k, allowed=request.allowed)
        kept = items[0] >= 0
        if not np.isfinite(scores[0, kept]).all():
            raise ArithmeticError("a score is not finite")
        names = [self._predictor.spec.items[place] for place in items[0, kept].tolist()]
        rows = [self._row(request, name, score) for name, score in zip(names, scores[0, kept].tolist(), strict=True)]
        return Answer({"items": rows, "known": int(histories.lengths[0])}, 1.0)

    def fall_back(self, request: Question) -> Answer:
        """What most customers of the segment took, and what most of all did."""
        barred = request.unavailable | set(request.history)
        names, scores = self._popular.best(request.segment, request.k, lambda item: item not in barred)
        rows = [{"item": name, "score": score} for name, score in zip(names, scores, strict=True)]
        return Answer({"items": rows, "known": 0}, 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """What the network and the ranker read for the customers of the self-test."""
        return {file: {"X": read} for file, read in self._predictor.graph_inputs(self._sample()).items()}

    def expected(self) -> bytes:
        """Recommendations for made-up customers (safetensors)."""
        from safetensors.numpy import save

        histories = self._sample()
        items, scores = self._predictor.shortlist(histories, SELF_TEST_K)
        tensors = {"starts": histories.starts, "taken": histories.items, "items": items, "scores": scores}
        return bytes(save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same recommendations on this box: scores place by place, for items of equal score may change places."""
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        try:
            wanted = load_tensors(expected)
            histories = Histories(wanted["starts"], wanted["taken"])
            scores = self._predictor.shortlist(histories, SELF_TEST_K)[1]
            off = np.abs(scores - wanted["scores"])
        except (SafetensorError, KeyError, IndexError, ValueError) as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        here, there = np.isnan(scores), np.isnan(wanted["scores"])
        if (here != there).any():
            raise SelfTestError("other places of the lists are empty here than where it was built: keep the old bundle")
        relative = np.where(here, 0.0, np.maximum(off - ABSOLUTE_TOLERANCE, 0.0) / np.maximum(np.abs(scores), 1.0))
        worst = float(relative.max(initial=0.0))
        if not worst <= RELATIVE_TOLERANCE:
            row, place = np.unravel_index(int(relative.argmax()), relative.shape)
            raise SelfTestError(
                f"customer {row}, place {place + 1}: expected a score of {wanted['scores'][row, place]:.6g}, found "
                f"{scores[row, place]:.6g} (relative {worst:.1e} > {RELATIVE_TOLERANCE}): this machine computes otherwise; "
                "keep the old bundle"
            )
        return SelfTestReport(scores.size, 0, worst)

    def card(self) -> dict[str, Any]:
        """Size and age of what it knows."""
        spec = self._predictor.spec
        return {
            "items": len(spec.items),
            "parts": [*spec.mix.parts, *(["ranker"] if spec.candidates else [])],
            "segments": len(self._popular.segments),
            "knows_until": self._knows_until,
        }

    def _row(self, request: Question, name: str, score: float) -> dict[str, Any]:
        row: dict[str, Any] = {"item": name, "score": score}
        if request.reasons:
            found = self._predictor.reasons(list(request.history), name)[:REASONS]
            row["reasons"] = [{"item": reason.item, "share": reason.share} for reason in found]
        return row

    def _sample(self) -> Histories:
        """Made-up customers, the same wherever the same items are known."""
        rng = np.random.default_rng(0)
        n_items = len(self._predictor.spec.items)
        lengths = rng.integers(SELF_TEST_LENGTHS[0], min(SELF_TEST_LENGTHS[1], n_items) + 1, SELF_TEST_CUSTOMERS)
        return Histories.of([rng.permutation(n_items)[:length].astype(np.int64) for length in lengths])
