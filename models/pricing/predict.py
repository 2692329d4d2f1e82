"""Prices: limits -> network -> limits, with numpy, pydantic and safetensors alone: what a service runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.common.artifact import ArtifactError, Manifest, read_file, read_spec
from models.common.protocols import InputError
from models.pricing import fresh_state
from models.pricing.fresh import Goods
from models.pricing.fresh_data import goods_of_bytes
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.guardrails import HALF_CENT, limits, rule_names, shown_reference
from models.pricing.market import Floats, Ints, Market, build_market
from models.pricing.network import Network, ValueFunction
from models.pricing.requests import PriceInput, Reply, read
from models.pricing.spec import FORMAT_VERSION, FRESH, ModelSpec
from models.pricing.state import NAMES, Assembler, Reading, width

__all__ = ["FreshInput", "Predictor", "PriceInput", "Reply", "load", "read_told"]

MODEL, WEIGHTS, GOODS = "model.json", "{}.safetensors", "fresh_goods.safetensors"


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec, goods = read_told(path)
    networks = {name: Network.from_bytes(read_file(path, manifest, WEIGHTS.format(name))) for name in spec.networks}
    return Predictor(spec, networks, goods)


def read_told(path: Path) -> tuple[Manifest, ModelSpec, Goods | None]:
    """Verify what the artifact in `path` says of itself and of its fresh goods, where it has some: all that is not a network.

    ArtifactError when it is damaged, or made for another state than this code's.
    """
    manifest, spec = read_spec(path, "pricing", ModelSpec, MODEL, FORMAT_VERSION)
    if spec.variables != NAMES:
        raise ArtifactError(f"{path}: made for another state than this code's: retrain")
    if spec.fresh is None:
        return manifest, spec, None
    if spec.fresh.variables != fresh_state.NAMES:
        raise ArtifactError(f"{path}: made for another state of fresh goods than this code's: retrain")
    return manifest, spec, goods_of_bytes(read_file(path, manifest, GOODS))


class NetworkPolicy:
    """The greedy policy of a network on a market, within its largest change: what the exact program is compared with."""

    def __init__(self, market: Market, network: ValueFunction, name: str = "DQN") -> None:
        if (network.width, network.prices) != (width(market), len(market.prices)):
            raise ArtifactError(
                f"{market.name}: its network reads {network.width} numbers, a state has {width(market)}"
            )
        self.name = name
        self._market = market
        self.network = network
        self.assembler = Assembler(market)

    def values(self, at: Reading) -> Floats:
        """Money (N, A) expected until the end from asking each price now."""
        return np.asarray(self.network.values(self.assembler.assemble(at)) * self._market.scale, dtype=np.float64)

    def choose(self, at: Reading) -> Ints:
        """Number of the price (N,)."""
        return self._market.best(at.b, self.values(at))


class Predictor:
    """Prices shelves of the markets it was trained for; thread-safe, holds no state."""

    def __init__(self, spec: ModelSpec, networks: Mapping[str, ValueFunction], goods: Goods | None = None) -> None:
        self.spec, self.goods = spec, goods
        if (spec.fresh is None) != (goods is None):
            raise ArtifactError("fresh goods are told of and not there, or the other way round: retrain")
        self._fresh = FreshPredictor(spec.fresh, goods, networks[FRESH]) if spec.fresh and goods else None
        self._markets = {each.instance.name: build_market(each.instance) for each in spec.markets}
        self._rules = {each.instance.name: each.limits() for each in spec.markets}
        self._policies = {name: NetworkPolicy(market, networks[name]) for name, market in self._markets.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The markets."""
        return tuple(self._markets)

    @property
    def fresh(self) -> FreshPredictor:
        """Fresh goods. InputError where the artifact has none."""
        if self._fresh is None:
            raise InputError(f"this artifact prices no fresh goods; ask for one of its markets {', '.join(self.names)}")
        return self._fresh

    def policy(self, name: str) -> NetworkPolicy:
        """The network's own policy on a market, without rules."""
        return self._policies[name]

    def predict(self, request: PriceInput | FreshInput) -> Reply:
        """The price of each shelf. InputError says what is wrong."""
        if isinstance(request, FreshInput):
            return self.fresh.predict(request)
        if not isinstance(request.market, str) or request.market not in self._markets:
            raise InputError(f"market: {str(request.market)[:60]} is unknown; name one of {', '.join(self.names)}")
        market = self._markets[request.market]
        at, before, lowest = read(request, market)
        count = len(before)
        bounds = limits(
            self._rules[request.market],
            list_price=np.full(count, market.list_price),
            unit_cost=np.full(count, market.unit_cost),
            before=before,
        )
        values = self._policies[request.market].values(at)
        wanted = market.prices[market.best(at.b, values)]
        within = (market.prices >= bounds.low[:, None] - HALF_CENT) & (
            market.prices <= bounds.high[:, None] + HALF_CENT
        )
        open_ = np.where(within & market.allowed[at.b], values, -np.inf)
        chosen = np.where(np.isfinite(open_).any(axis=1), market.prices[open_.argmax(axis=1)], wanted)
        price, _ = bounds.clip(chosen)
        _, rule = bounds.clip(wanted)
        # Between two prices of the ladder nothing was learnt: the nearest one tells what to expect.
        nearest = np.abs(market.prices - price[:, None]).argmin(axis=1)
        worth = np.take_along_axis(values, nearest[:, None], axis=1)[:, 0]
        return Reply(
            price=price,
            wanted=wanted,
            rule=rule_names(rule),
            yielded=bounds.yielded,
            worth=worth,
            gain=worth - values[:, market.list_index],
            values=values,
            reference=np.full(count, np.nan) if lowest is None else shown_reference(price, lowest),
        )
