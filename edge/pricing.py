"""Prices on a box of a shop: the cloud's state, rules and choice, with ONNX Runtime in place of the cloud's arithmetic.

A box has no price of its own to fall back on: it goes on with the last one that the model gave a shelf, else with list price,
both within the rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bots import Answer, SelfTestError, SelfTestReport
from edge.fresh_checks import FreshTrial
from edge.pricing_checks import RELATIVE_TOLERANCE, MarketTrial, Trial, compare, moved_rows, relative
from edge.pricing_requests import column, read_request, to_input
from edge.session import open_session
from models.common.artifact import ArtifactError, read_file
from models.common.protocols import InputError
from models.pricing.fresh import Goods
from models.pricing.fresh_data import MADE_UP
from models.pricing.fresh_predict import FreshPredictor
from models.pricing.fresh_state import WIDTH
from models.pricing.graph import INPUT, OUTPUT
from models.pricing.guardrails import RULES, Limits, limits, rule_names, shown_reference
from models.pricing.market import Bools, Floats, build_market
from models.pricing.network import Network, ValueFunction
from models.pricing.predict import WEIGHTS, FreshInput, Predictor, PriceInput, Reply, read_told
from models.pricing.requests import read
from models.pricing.spec import ModelSpec

GRAPH = "{}.onnx"
SELF_TEST_SHELVES = 64  # a network
COMPARED_SHELVES = 2_000  # a network, when it is exported
LAST_PRICE, LIST_PRICE = "last_price", "list_price"


@dataclass(frozen=True)
class Question:
    """A checked request for N shelves of `market`: what the model is asked, list prices, the rules' limits, and `lowest` and
    `last_good` (N,), NaN where there is none."""

    market: str
    asked: PriceInput | FreshInput
    list_price: Floats
    limits: Limits
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


@dataclass(frozen=True)
class NoNetwork:
    """Stands where a network would: fresh goods are read and their limits known without one."""

    width: int
    prices: int
    problem: str

    def values(self, _: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """RuntimeError."""
        raise RuntimeError(f"the rules alone are known: {self.problem}")


def open_bot(folder: Path) -> "PricingBot":
    """Open the release in `folder`; ArtifactError when it is not whole, or made for another state."""
    manifest, spec, goods = read_told(folder / "artifact")
    graphs = {name: GRAPH.format(name) for name in spec.networks}
    networks = {
        name: GraphNetwork(read_file(folder / "artifact", manifest, graph), graph) for name, graph in graphs.items()
    }
    known = manifest.trained_until
    return PricingBot(spec, networks, goods, knows_until=None if known == MADE_UP.astype(object) else known.isoformat())


class PricingBot:
    """`edge.bots.EdgeBot` of pricing. Without networks it keeps to the rules and falls back."""

    def __init__(
        self,
        spec: ModelSpec,
        networks: Mapping[str, ValueFunction] | None,
        goods: Goods | None = None,
        *,
        knows_until: str | None = None,
        problem: str = "no network was given",
    ) -> None:
        self.spec, self.goods, self._knows_until, self._problem = spec, goods, knows_until, problem
        self._predictor = None if networks is None else Predictor(spec, networks, goods)
        self._told = {each.instance.name: each for each in spec.markets}
        self._markets = {name: build_market(each.instance) for name, each in self._told.items()}
        self._fresh = self._fresh_goods()
        self.trials: tuple[Trial, ...] = tuple(MarketTrial(market) for market in self._markets.values())
        if self._fresh is not None:
            self.trials += (FreshTrial(self._fresh),)

    def check(self, request: Mapping[str, Any]) -> Question:
        """Bounds, a known market or good, a reading that fits it; InputError otherwise."""
        told = read_request(request)
        asked, name = to_input(told), told.market
        if isinstance(asked, FreshInput) and self._fresh is not None:
            reading = self._fresh.read(asked)
            listed, bounds = reading.list_price, self._fresh.limits(reading)
        elif isinstance(asked, PriceInput) and name in self._markets:
            before, instance = read(asked, self._markets[name])[1], self._told[name].instance
            listed, cost = (np.full(len(before), each) for each in (instance.list_price, instance.unit_cost))
            bounds = limits(self._told[name].limits(), list_price=listed, unit_cost=cost, before=before)
        else:
            raise InputError(f"market: {name} is unknown; name one of {', '.join(self.spec.networks)}")
        lowest, last_good = (column([getattr(each, kind) for each in told.shelves]) for kind in ("lowest", "last_good"))
        return Question(name, asked, listed, bounds, lowest, last_good)

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
        known = ~np.isnan(request.last_good)
        wanted = np.where(known, request.last_good, request.list_price)
        price, rule = request.limits.clip(wanted)
        rows = [
            {"price": price, "wanted": wanted, "rule": rule, "source": LAST_PRICE if last else LIST_PRICE}
            for price, wanted, rule, last in zip(
                price.tolist(), wanted.tolist(), rule_names(rule).tolist(), known.tolist(), strict=True
            )
        ]
        return Answer(_reply(request, rows, request.limits.yielded, shown_reference(price, request.lowest)), 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
        """States of made-up shelves of each network."""
        return {
            GRAPH.format(trial.name): {INPUT: trial.states(trial.situations(COMPARED_SHELVES))} for trial in self.trials
        }

    def quote(self, asked: PriceInput | FreshInput) -> Reply:
        """The network's prices, within the rules, with their values; InputError as `Predictor.predict`."""
        if self._predictor is None:
            raise RuntimeError(f"the rules alone are known: {self._problem}")
        return self._predictor.predict(asked)

    def expected(self) -> bytes:
        """Prices and values of made-up shelves (safetensors)."""
        from safetensors.numpy import save

        tensors: dict[str, npt.NDArray[Any]] = {}
        for trial in self.trials:
            asked = trial.situations(SELF_TEST_SHELVES)
            tensors |= trial.to_tensors(asked, self.quote(asked))
        return bytes(save(tensors))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same values on this box, and the same prices to the cent but where rounding alone decides."""
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        worst, values = 0.0, 0
        try:
            tensors = load_tensors(expected)
            for trial in self.trials:
                asked, price, wanted = trial.from_tensors(tensors)
                worst = max(worst, compare(trial.ladder(asked), self.quote(asked), price, wanted))
                values += wanted.size
        except (SafetensorError, KeyError, IndexError, ValueError) as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        return SelfTestReport(values, 0, worst)

    def moved(self, other: "PricingBot", count: int) -> dict[str, int]:
        """Of `count` made-up shelves of each network, how many `other` gives another price."""
        found = {}
        for trial in self.trials:
            asked = trial.situations(count)
            reply = self.quote(asked)
            found[trial.name] = len(moved_rows(trial.ladder(asked), other.quote(asked), reply.price, reply.values))
        return found

    def card(self) -> dict[str, Any]:
        """Size of what it prices, and the age of what it knows; problems told in full have none."""
        told = {"markets": sorted(self._markets), "prices": sum(len(each.prices) for each in self._markets.values())}
        if self._fresh is not None:
            told["fresh_goods"] = len(self._fresh.goods)
        return told if self._knows_until is None else told | {"knows_until": self._knows_until}

    def _fresh_goods(self) -> FreshPredictor | None:
        if (told := self.spec.fresh) is None:
            return None
        if self._predictor is not None:
            return self._predictor.fresh
        if self.goods is None:
            raise ArtifactError("fresh goods are told of and not there: install a bundle")
        prices = len(told.prices)
        return FreshPredictor(told, self.goods, NoNetwork(WIDTH + prices, prices, self._problem))


def convert(artifact: Path, out: Path) -> None:
    """Write the artifact to `out` with a graph in place of each network; ExportError when one does not answer alike."""
    from edge.export import ExportError, rewrite
    from models.pricing.graph import to_graph

    manifest, spec, goods = read_told(artifact)
    files: dict[str, bytes | Path] = {name: read_file(artifact, manifest, name) for name in manifest.files}
    weights = {name: WEIGHTS.format(name) for name in spec.networks}
    networks = {name: Network.from_bytes(read_file(artifact, manifest, file)) for name, file in weights.items()}
    for trial in PricingBot(spec, networks, goods).trials:
        network, name = networks[trial.name], GRAPH.format(trial.name)
        del files[weights[trial.name]]
        files[name] = graph = to_graph(network)
        asked = trial.situations(COMPARED_SHELVES)
        states, ladder = trial.states(asked), trial.ladder(asked)
        wanted, found = (each.values(states) * ladder.scale for each in (network, GraphNetwork(graph, name)))
        off = float(relative(ladder, np.asarray(found, np.float64), np.asarray(wanted, np.float64)).max())
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
    return f"weights of 8 bits move prices of {COMPARED_SHELVES} shelves a network, 0 is the bound: {told}"


def _reply(request: Question, rows: list[dict[str, Any]], yielded: Bools, reference: Floats) -> dict[str, Any]:
    """Rows with the rules that gave way, and the price that a discount may be shown against where there is one."""
    for row, gave_way, shown in zip(rows, yielded, reference.tolist(), strict=True):
        row["yielded"] = [name for name, gave in zip(RULES, gave_way.tolist(), strict=True) if gave]
        row["reference"] = None if np.isnan(shown) else shown
    return {"market": request.market, "shelves": rows}
