"""What a bot must bring to run on an edge box, and where each one is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

# Bot -> module with `open_bot(folder)`, and where there are such: `LEFT_OUT`, `PRECISE`, `convert` and `moved`, see below.
BOTS: Mapping[str, str] = {
    "detector": "edge.eyes.bot",
    "forecaster": "edge.forecaster",
    "inspection": "edge.inspection",
    "pricing": "edge.pricing",
    "recommender": "edge.recommender",
}
# Bot -> module with `quantise(release, out, pictures, score)`, where its graphs want real inputs.
QUANTISERS: Mapping[str, str] = {"detector": "edge.eyes.quantised"}


class SelfTestError(RuntimeError):
    """A bundle that does not answer here as it did where it was built; the message names output, expected and found."""


@dataclass(frozen=True)
class Answer:
    """A reply ready for JSON, and how sure of it the model is (1 = nothing unusual)."""

    reply: dict[str, Any]
    confidence: float


@dataclass(frozen=True)
class SelfTestReport:
    """How far the answers here are from those where the bundle was built: `worst_relative` of `values` numbers."""

    values: int
    missing_inputs: int
    worst_relative: float


class EdgeBot(Protocol):
    """One bot, opened from the files of a release."""

    def check(self, request: Mapping[str, Any]) -> Any:
        """The request as an object of the bot; InputError says field, value, bound and remedy."""

    def ask(self, request: Any) -> Answer:
        """The model's answer."""

    def fall_back(self, request: Any) -> Answer:
        """The answer without the model."""

    def model_inputs(self) -> Mapping[str, Mapping[str, npt.NDArray[Any]]]:
        """Typical inputs of every ONNX file of the artifact, missing values among them: file -> input -> array."""

    def expected(self) -> bytes:
        """Answers to a fixed set of questions, missing inputs among them: made at build, compared on the box."""

    def self_test(self, expected: bytes) -> SelfTestReport:
        """Compare this box's answers with `expected`; SelfTestError when one lies too far off."""

    def card(self) -> dict[str, Any]:
        """What it is, for the status page."""


def open_bot(bot: str, folder: Path) -> EdgeBot:
    """Open the release in `folder` with the code of `bot`."""
    opened: EdgeBot = _module(bot).open_bot(folder)
    return opened


def left_out(bot: str) -> tuple[str, ...]:
    """Folders of the bot's release that no bundle carries: an edge box may be stolen."""
    return tuple(getattr(_module(bot), "LEFT_OUT", ()))


def precise(bot: str) -> frozenset[str]:
    """ONNX files of the bot that never get weights of 8 bits: they are small, and would answer otherwise."""
    return frozenset(getattr(_module(bot), "PRECISE", ()))


def convert(bot: str, artifact: Path, out: Path) -> bool:
    """Write the artifact to `out` with ONNX files in place of weights, if the bot's artifacts carry none; whether it did."""
    made = getattr(_module(bot), "convert", None)
    if made is not None:
        made(artifact, out)
    return made is not None


def quantised(bot: str) -> Callable[..., Any] | None:
    """The bot's own way to 8 bits, `quantise(release, out, pictures, score)`, where its graphs want real inputs; else None."""
    if bot not in QUANTISERS:
        return None
    made: Callable[..., Any] = import_module(QUANTISERS[bot]).quantise
    return made


def moved(bot: str, before: EdgeBot, after: EdgeBot) -> str:
    """What an export with weights of 8 bits answers otherwise than it may, in words; "" for nothing."""
    compare = getattr(_module(bot), "moved", None)
    return "" if compare is None else str(compare(before, after))


def _module(bot: str) -> Any:
    if bot not in BOTS:
        raise KeyError(f"bot {bot!r} does not run on the edge; these do: {sorted(BOTS)}")
    return import_module(BOTS[bot])
