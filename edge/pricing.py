"""Prices on a box of a shop: the cloud's state, rules and choice, with ONNX Runtime in place of the cloud's arithmetic.

Outside the range that a network was trained on the last approved ladder answers, as in the cloud. Where the model fails, a box
goes on with the last price that it gave a shelf, else with list price, both within the rules.
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
from edge.pricing_requests import column, read_request, to_shelves
from edge.session import open_session
from models.common.artifact import ArtifactError, read_file
from models.pricing.answering import FreshShelves, Known, MarketShelves, answer, check_ladders
from models.pricing.fresh_data import MADE_UP
from models.pricing.graph import INPUT, OUTPUT
from models.pricing.guardrails import RULES, Limits, rule_names, shown_reference
from models.pricing.ladder import LADDERS_FILE, FallbackError, Ladders, read_ladders
from models.pricing.ladder import NAME as LADDER
from models.pricing.market import Bools, Floats, build_market
from models.pricing.network import Network
from models.pricing.predict import WEIGHTS, FreshInput, Predictor, PriceInput, Reply, read_told
from models.pricing.training_range import told_by_row

LADDERS = f"fallback/{LADDERS_FILE}"
GRAPH = "{}.onnx"
SELF_TEST_SHELVES = 64  # a network
COMPARED_SHELVES = 2_000  # a network, when it is exported
LAST_PRICE, LIST_PRICE = "last_price", "list_price"


@dataclass(frozen=True)
class Question:
    """A checked request for N shelves of `market`: what is asked, list prices, the rules' limits, and `last_good` (N,), NaN where
    there is none."""

    market: str
    asked: MarketShelves | FreshShelves
    list_price: Floats
    limits: Limits
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
    manifest, spec, goods = read_told(folder / "artifact")
    graphs = {name: GRAPH.format(name) for name in spec.networks}
    networks = {
        name: GraphNetwork(read_file(folder / "artifact", manifest, graph), graph) for name, graph in graphs.items()
    }
    predictor = Predictor(spec, networks, goods)
    if not (folder / LADDERS).exists():
        raise ArtifactError(
            f"{folder} holds no approved ladders ({LADDERS}), which answer outside the range of training: build the release, and "
            "the bundle of it, again with this version"
        )
    try:
        ladders = read_ladders((folder / LADDERS).parent)
        check_ladders(ladders, predictor)
    except FallbackError as error:
        raise ArtifactError(f"{folder}: {error}") from error
    known = manifest.trained_until
    return PricingBot(
        ladders, Known.of(predictor), knows_until=None if known == MADE_UP.astype(object) else known.isoformat()
    )


class PricingBot:
    """`edge.bots.EdgeBot` of pricing. Without networks it keeps to the rules, which the ladders tell, and falls back."""

    def __init__(
        self,
        ladders: Ladders,
        known: Known | None,
        *,
        knows_until: str | None = None,
        problem: str = "no network was given",
    ) -> None:
        self.ladders, self.known, self._knows_until, self._problem = ladders, known, knows_until, problem
        self.trials: tuple[Trial, ...] = () if known is None else trials_of(known.predictor)

    def check(self, request: Mapping[str, Any]) -> Question:
        """Bounds, a known market or good; InputError otherwise."""
        told = read_request(request)
        asked = to_shelves(told, self.ladders)
        rows = np.arange(len(told.shelves))
        listed = asked.listed if isinstance(asked, FreshShelves) else np.full(len(rows), asked.ladder.list_price)
        last_good = column([each.last_good for each in told.shelves])
        return Question(told.market, asked, listed, asked.bounds(rows), last_good)

    def ask(self, request: Question) -> Answer:
        """The network's prices, within the rules; outside the range of training the ladder's, in whose rows `served_by` says so and
        `outside` why. UnsoundError for a price that may not be passed on."""
        if self.known is None:
            raise RuntimeError(f"the rules alone are known: {self._problem}")
        found = answer(request.asked, self.known)
        ruled, outside = found.ruled, told_by_row(found.outside)
        rows: list[dict[str, Any]] = [
            {"price": price, "wanted": wanted, "rule": rule, "worth": worth, "gain": gain, "outside": []}
            for price, wanted, rule, worth, gain in zip(
                ruled.price.tolist(), ruled.wanted.tolist(), ruled.rule.tolist(), found.worth.tolist(), found.gain.tolist(),
                strict=True,
            )
        ]  # fmt: skip
        for row, told in outside.items():
            rows[row] |= {"worth": None, "gain": None, "outside": told, "served_by": LADDER}
        return Answer(_reply(request, rows, ruled.yielded), 1.0)

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
        return Answer(_reply(request, rows, request.limits.yielded), 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
        """States of made-up shelves of each network."""
        return {
            GRAPH.format(trial.name): {INPUT: trial.states(trial.situations(COMPARED_SHELVES))} for trial in self.trials
        }

    def quote(self, asked: PriceInput | FreshInput) -> Reply:
        """The network's prices, within the rules, with their values; InputError as `Predictor.predict`."""
        if self.known is None:
            raise RuntimeError(f"the rules alone are known: {self._problem}")
        return self.known.predictor.predict(asked)

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
        markets = {} if self.known is None else self.known.markets
        told = {
            "markets": sorted(self.ladders.markets), "prices": sum(len(each.prices) for each in markets.values())
        }  # fmt: skip
        if self.ladders.fresh is not None:
            told["fresh_goods"] = len(self.ladders.fresh.goods)
        return told if self._knows_until is None else told | {"knows_until": self._knows_until}


def trials_of(predictor: Predictor) -> tuple[Trial, ...]:
    """Made-up shelves of each network."""
    markets = tuple(MarketTrial(build_market(each.instance)) for each in predictor.spec.markets)
    return markets if predictor.spec.fresh is None else (*markets, FreshTrial(predictor.fresh))


def convert(artifact: Path, out: Path) -> None:
    """Write the artifact to `out` with a graph in place of each network; ExportError when one does not answer alike."""
    from edge.export import ExportError, rewrite
    from models.pricing.graph import to_graph

    manifest, spec, goods = read_told(artifact)
    files: dict[str, bytes | Path] = {name: read_file(artifact, manifest, name) for name in manifest.files}
    weights = {name: WEIGHTS.format(name) for name in spec.networks}
    networks = {name: Network.from_bytes(read_file(artifact, manifest, file)) for name, file in weights.items()}
    for trial in trials_of(Predictor(spec, networks, goods)):
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


def _reply(request: Question, rows: list[dict[str, Any]], yielded: Bools) -> dict[str, Any]:
    """Rows with the rules that gave way, and the price that a discount may be shown against where there is one."""
    reference = shown_reference(np.array([row["price"] for row in rows]), request.asked.lowest)
    for row, gave_way, shown in zip(rows, yielded, reference.tolist(), strict=True):
        row["yielded"] = [name for name, gave in zip(RULES, gave_way.tolist(), strict=True) if gave]
        row["reference"] = None if np.isnan(shown) else shown
    return {"market": request.market, "shelves": rows}
