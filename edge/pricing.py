"""Prices on a box of a shop: the cloud's state, rules and choice, with ONNX Runtime in place of the cloud's arithmetic.

A box has no price of its own to fall back on: it goes on with the last one that the model gave a shelf, else with list price,
both within the rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bots import Answer, SelfTestError, SelfTestReport
from edge.pricing_checks import (
    RELATIVE_TOLERANCE,
    compare,
    from_tensors,
    moved_rows,
    relative,
    situations,
    states_of,
    to_tensors,
)
from edge.session import open_session
from models.common.artifact import ArtifactError, Manifest, read_file, read_spec
from models.common.protocols import InputError
from models.pricing.fresh_data import MADE_UP
from models.pricing.graph import INPUT, OUTPUT
from models.pricing.guardrails import LEAST, RULES, limits, rule_names, shown_reference
from models.pricing.market import Bools, Floats, build_market
from models.pricing.network import Network
from models.pricing.predict import MODEL, WEIGHTS, Predictor, PriceInput, Reply
from models.pricing.requests import read
from models.pricing.spec import FORMAT_VERSION, ModelSpec
from models.pricing.state import NAMES

GRAPH = "{}.onnx"
SHELVES_MAX = 10_000
SELF_TEST_SHELVES = 64  # a market
COMPARED_SHELVES = 2_000  # a market, when it is exported
LAST_PRICE, LIST_PRICE = "last_price", "list_price"
Money = Annotated[float, Field(ge=0.01, le=1e10, allow_inf_nan=False)]
Units = Annotated[int, Field(ge=0, le=1_000_000)]
Level = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


class Shelf(BaseModel):
    """One shelf as it stands: what `models.pricing.requests.PriceInput` says of it, and the last price that was the model's."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    period: int = Field(ge=0, le=10_000, description="of the market's, from 0")
    stock: list[Units] = Field(min_length=1, max_length=100, description="units by periods left, least first")
    before: Money = Field(description="price until now")
    factors: dict[str, Level] = Field(default={}, max_length=20, description="what the market shows, by name")
    lowest: Money | None = Field(default=None, description="price of the past 30 days, if a discount is to be shown")
    last_good: Money | None = Field(default=None, description="last price that the model gave; list price where null")


class ShelfRequest(BaseModel):
    """What a box is asked: prices of some shelves of one market."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    market: str = Field(min_length=1, max_length=64)
    shelves: list[Shelf] = Field(min_length=1, max_length=SHELVES_MAX)


@dataclass(frozen=True)
class Question:
    """A checked request; `before`, `lowest` and `last_good` (N,), NaN where there is none."""

    asked: PriceInput
    before: Floats
    lowest: Floats
    last_good: Floats


class GraphNetwork:
    """A Q-network run by ONNX Runtime; `models.pricing.network.ValueFunction`."""

    def __init__(self, graph: bytes, name: str) -> None:
        try:
            self._session = open_session(graph)
            (self.width,), (self.prices,) = (
                each[0].shape[1:] for each in (self._session.get_inputs(), self._session.get_outputs())
            )
        except Exception as error:  # ONNX Runtime's own have no common base
            raise ArtifactError(f"{name} is no graph of a Q-network ({str(error)[:200]}): build it again") from error

    def values(self, states: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """Q-values (N, A) of states (N, W), in the market's scale."""
        return np.asarray(self._session.run([OUTPUT], {INPUT: states})[0])


def open_bot(folder: Path) -> "PricingBot":
    """Open the release in `folder`; ArtifactError when it is not whole, or made for another state."""
    manifest, spec = read_told(folder / "artifact")
    names = [each.instance.name for each in spec.markets]
    graphs = {name: GRAPH.format(name) for name in names}
    networks = {
        name: GraphNetwork(read_file(folder / "artifact", manifest, graphs[name]), graphs[name]) for name in names
    }
    known = manifest.trained_until
    return PricingBot(spec, networks, knows_until=None if known == MADE_UP.astype(object) else known.isoformat())


def read_told(artifact: Path) -> tuple[Manifest, ModelSpec]:
    """Verify the artifact and read what it says of itself, as `models.pricing.predict.load` does."""
    manifest, spec = read_spec(artifact, "pricing", ModelSpec, MODEL, FORMAT_VERSION)
    if spec.variables != NAMES:
        raise ArtifactError(f"{artifact}: made for another state than this code's: retrain")
    return manifest, spec


class PricingBot:
    """`edge.bots.EdgeBot` of pricing. Without networks it keeps to the rules and falls back."""

    def __init__(
        self,
        spec: ModelSpec,
        networks: Mapping[str, GraphNetwork] | None,
        *,
        knows_until: str | None = None,
        problem: str = "no network was given",
    ) -> None:
        self.spec, self._knows_until, self._problem = spec, knows_until, problem
        self._predictor = None if networks is None else Predictor(spec, networks)
        self._told = {each.instance.name: each for each in spec.markets}
        self._markets = {name: build_market(each.instance) for name, each in self._told.items()}

    def check(self, request: Mapping[str, Any]) -> Question:
        """Bounds, a known market, a reading that fits it; InputError otherwise."""
        try:
            asked = ShelfRequest.model_validate(dict(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "request"
            raise InputError(f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
        if asked.market not in self._markets:
            raise InputError(f"market: {asked.market} is unknown; name one of {', '.join(self._markets)}")
        shelves = asked.shelves
        names = set(shelves[0].factors)
        for number, shelf in enumerate(shelves):
            if set(shelf.factors) != names or len(shelf.stock) != len(shelves[0].stock):
                raise InputError(f"shelves.{number}: other factors or ages than shelves.0: give all of them alike")
        lowest = _column([shelf.lowest for shelf in shelves])
        situation = PriceInput(
            market=asked.market,
            period=np.array([shelf.period for shelf in shelves]),
            stock=np.array([shelf.stock for shelf in shelves]),
            before=_column([shelf.before for shelf in shelves]),
            factors={name: np.array([shelf.factors[name] for shelf in shelves]) for name in sorted(names)},
            # Against the least price there is no discount can be shown: what is not told shows none.
            lowest=None if np.isnan(lowest).all() else np.where(np.isnan(lowest), LEAST, lowest),
        )
        before = read(situation, self._markets[asked.market])[1]
        return Question(situation, before, lowest, _column([shelf.last_good for shelf in shelves]))

    def ask(self, request: Question) -> Answer:
        """The network's prices, within the rules."""
        reply = self.quote(request.asked)
        if not np.isfinite(reply.values).all():
            raise ArithmeticError("a value is not finite")
        rows = [
            {"price": price, "wanted": wanted, "rule": rule, "worth": worth, "gain": gain}
            for price, wanted, rule, worth, gain in zip(
                reply.price.tolist(), reply.wanted.tolist(), reply.rule.tolist(), reply.worth.tolist(),
                reply.gain.tolist(), strict=True,
            )
        ]  # fmt: skip
        return Answer(_reply(request, rows, reply.yielded, reply.reference), 1.0)

    def fall_back(self, request: Question) -> Answer:
        """The last price that was the model's, else list price, within the rules."""
        told = self._told[request.asked.market]
        count = len(request.before)
        listed = np.full(count, told.instance.list_price)
        cost = np.full(count, told.instance.unit_cost)
        bounds = limits(told.limits(), list_price=listed, unit_cost=cost, before=request.before)
        known = ~np.isnan(request.last_good)
        wanted = np.where(known, request.last_good, listed)
        price, rule = bounds.clip(wanted)
        rows = [
            {"price": price, "wanted": wanted, "rule": rule, "source": LAST_PRICE if last else LIST_PRICE}
            for price, wanted, rule, last in zip(
                price.tolist(), wanted.tolist(), rule_names(rule).tolist(), known.tolist(), strict=True
            )
        ]
        return Answer(_reply(request, rows, bounds.yielded, shown_reference(price, request.lowest)), 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
        """States of made-up shelves of each market."""
        return {
            GRAPH.format(name): {INPUT: states_of(market, situations(market, COMPARED_SHELVES))}
            for name, market in self._markets.items()
        }

    def quote(self, asked: PriceInput) -> Reply:
        """The network's prices, within the rules, with their values; InputError as `Predictor.predict`."""
        if self._predictor is None:
            raise RuntimeError(f"the rules alone are known: {self._problem}")
        return self._predictor.predict(asked)

    def expected(self) -> bytes:
        """Prices and values of made-up shelves (safetensors)."""
        from safetensors.numpy import save

        tensors: dict[str, npt.NDArray[Any]] = {}
        for market in self._markets.values():
            asked = situations(market, SELF_TEST_SHELVES)
            tensors |= to_tensors(asked, self.quote(asked))
        return bytes(save(tensors))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same values on this box, and the same prices to the cent but where rounding alone decides."""
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        worst, values = 0.0, 0
        try:
            tensors = load_tensors(expected)
            for name, market in self._markets.items():
                asked, price, wanted = from_tensors(tensors, name)
                worst = max(worst, compare(market, self.quote(asked), price, wanted))
                values += wanted.size
        except (SafetensorError, KeyError, IndexError, ValueError) as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        return SelfTestReport(values, 0, worst)

    def moved(self, other: "PricingBot", count: int) -> dict[str, int]:
        """Of `count` made-up shelves of each market, how many `other` gives another price."""
        found = {}
        for name, market in self._markets.items():
            asked = situations(market, count)
            reply = self.quote(asked)
            found[name] = len(moved_rows(market, other.quote(asked), reply.price, reply.values))
        return found

    def card(self) -> dict[str, Any]:
        """Size of what it prices, and the age of what it knows; problems told in full have none."""
        told = {"markets": sorted(self._markets), "prices": sum(len(each.prices) for each in self._markets.values())}
        return told if self._knows_until is None else told | {"knows_until": self._knows_until}


def convert(artifact: Path, out: Path) -> None:
    """Write the artifact to `out` with a graph in place of each network; ExportError when one does not answer alike."""
    from edge.export import ExportError, rewrite
    from models.pricing.graph import to_graph

    manifest, spec = read_told(artifact)
    files: dict[str, bytes | Path] = {name: read_file(artifact, manifest, name) for name in manifest.files}
    for each in spec.markets:
        market, weights = build_market(each.instance), WEIGHTS.format(each.instance.name)
        network = Network.from_bytes(read_file(artifact, manifest, weights))
        del files[weights]
        name = GRAPH.format(market.name)
        files[name] = graph = to_graph(network)
        states = states_of(market, situations(market, COMPARED_SHELVES))
        wanted, found = (each.values(states) * market.scale for each in (network, GraphNetwork(graph, name)))
        off = float(relative(market, np.asarray(found, np.float64), np.asarray(wanted, np.float64)).max())
        if not off <= RELATIVE_TOLERANCE:
            raise ExportError(
                f"{name}: a value is {off:.1e} off its network's (relative), {RELATIVE_TOLERANCE} is the bound: "
                "pin another ONNX Runtime"
            )
    rewrite(manifest, out, files)


def moved(before: PricingBot, after: PricingBot) -> str:
    """Prices that weights of 8 bits would move: a label that says another price than the till is a broken promise."""
    found = {name: count for name, count in before.moved(after, COMPARED_SHELVES).items() if count}
    if not found:
        return ""
    told = ", ".join(f"{count} of {name}" for name, count in sorted(found.items(), key=lambda each: -each[1])[:3])
    return f"weights of 8 bits move prices of {COMPARED_SHELVES} shelves a market, 0 is the bound: {told}"


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])


def _reply(request: Question, rows: list[dict[str, Any]], yielded: Bools, reference: Floats) -> dict[str, Any]:
    """Rows with the rules that gave way, and the price that a discount may be shown against where there is one."""
    for row, gave_way, shown in zip(rows, yielded, reference.tolist(), strict=True):
        row["yielded"] = [name for name, gave in zip(RULES, gave_way.tolist(), strict=True) if gave]
        row["reference"] = None if np.isnan(shown) else shown
    return {"market": request.asked.market, "shelves": rows}
