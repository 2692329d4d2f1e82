"""A release of prices of all shipped problems and of fresh goods, with random networks. Loaded by path, not a test."""

import importlib.util
import json
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edge.export import build_bundle
from edge.fresh_checks import FreshTrial
from edge.label_situations import read_situation
from edge.label_store import LabelStore
from edge.labels import LABELS_FILE, Report, open_prices, reprice
from edge.pricing_checks import situations
from edge.runtime import tester as by_itself
from edge.update import BUNDLES, installed, update
from models.common.artifact import write_artifact
from models.common.keys import generate_keys, read_private_key, read_public_key
from models.pricing import fresh_state
from models.pricing.config import Config
from models.pricing.fresh import WEEK, Goods
from models.pricing.fresh_data import goods_bytes
from models.pricing.fresh_ladder import FreshLadders, GoodLadder
from models.pricing.fresh_predict import FreshPredictor
from models.pricing.guardrails import Rules
from models.pricing.instances import SHIPPED, read_instances
from models.pricing.ladder import ApprovedLadder, Ladders, write_ladders
from models.pricing.market import build_market
from models.pricing.network import Network
from models.pricing.predict import GOODS, MODEL, WEIGHTS, FreshInput, PriceInput
from models.pricing.spec import FORMAT_VERSION, FRESH, FreshSpec, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width

NOW = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)
# Rules that bite and meet one another: a ceiling between prices of the ladder, a floor above the lowest, steps under a cent.
RULES = {
    "salad": Rules(essential=True, largest_change=0.25, margin_floor=-0.2),
    "fish": Rules(floor=3.49, ceiling=7.77, margin_floor=0.1),
    "oysters": Rules(largest_change=0.0005),
    "flight": Rules(floor=70, ceiling=199.99),
    "parking": Rules(essential=True, margin_floor=0.3, largest_change=0.15),
}
# Of fresh goods, every third essential; a step of 0.32 of list price ends between two prices of the ladder.
FRESH_RULES = Rules(largest_change=0.32, margin_floor=-0.4, floor=0.15)
FRESH_PRICES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
FRESH_GOODS = 40


def random_goods(count: int, *, seed: int) -> Goods:
    """Goods that keep a day to three weeks, slow and fast, ordered daily or twice a week, one or two mornings ahead."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.normal(1.0, 1.0, count)).clip(0.1, 60)
    life, lead = rng.choice([1, 2, 3, 5, 8, 21], count), rng.integers(1, 3, count)
    return Goods(
        level=level,
        week=rng.uniform(0.6, 1.5, (count, WEEK)),
        level_error=rng.uniform(0.05, 0.3, count),
        elasticity=rng.uniform(1.2, 4.5, count),
        elasticity_error=rng.uniform(0.05, 0.3, count),
        dispersion=rng.uniform(2.0, 30.0, count),
        cost=rng.uniform(0.4, 0.85, count),
        disposal=rng.uniform(0.0, 0.1, count),
        ceiling=np.where(np.arange(count) % 6 == 0, 1.0, 100.0),
        life=life,
        lead=lead,
        every=np.where(life <= 5, 1, 3),
        up_to=np.ceil(level * np.minimum(life, lead + 2) + 2).astype(np.int64),
    )


def fresh_spec(count: int) -> FreshSpec:
    """What the artifact says of `count` goods: good-0, good-1, ... Half of the essential ones have no ceiling beside, so that the
    rule has something to do."""
    return FreshSpec(
        goods=tuple(f"good-{number}" for number in range(count)),
        essential=tuple(number % 3 == 0 for number in range(count)),
        prices=FRESH_PRICES,
        waste_weight=0.2,
        variables=fresh_state.NAMES,
        rules=FRESH_RULES,
    )


def he_network(inputs: int, prices: int, *, seed: int, heads: float = 0.03, value: float = 1.0) -> Network:
    """Random weights after He et al. (2015), times `heads` in the two that tell prices apart (0: as before training) and `value`
    in the third. Heads of full size would drown the gains, and one price would always be the best."""
    hidden, shares = 128, {"advantage": heads, "weight": heads, "value": value}
    rng = np.random.default_rng(seed)
    shapes = {"first": (hidden, inputs), "second": (hidden, hidden)}
    shapes |= {"value": (1, hidden), "advantage": (prices, hidden), "weight": (1, hidden)}
    parts = {}
    for name, (out, fan_in) in shapes.items():
        scale = shares.get(name, 1.0) * np.sqrt(2 / fan_in)
        parts[f"{name}.weight"] = (scale * rng.normal(size=(out, fan_in))).astype(np.float32)
        parts[f"{name}.bias"] = (0.1 * scale * rng.normal(size=out)).astype(np.float32)
    return Network(parts)


def random_ladders(spec: ModelSpec, goods: Goods, *, seed: int) -> Ladders:
    """Ladders that fit the artifact, with steps of any of its prices: what a network would not have asked."""
    rng = np.random.default_rng(seed)
    markets = {}
    for each in spec.markets:
        told, market = each.instance, build_market(each.instance)
        markets[told.name] = ApprovedLadder(
            market=told.name, list_price=told.list_price, unit_cost=told.unit_cost, rules=each.limits(), made_by="random",
            steps=tuple(rng.choice(market.prices, market.ages).tolist()),
        )  # fmt: skip
    told = zip(spec.fresh.goods, spec.fresh.essential, goods.cost.tolist(), goods.ceiling.tolist(), strict=True)
    fresh = tuple(
        GoodLadder(
            good=name, essential=essential, unit_cost=cost, ceiling=ceiling, top=1.0,
            steps=tuple(rng.choice(FRESH_PRICES, 2).tolist()),
        )
        for name, essential, cost, ceiling in told
    )  # fmt: skip
    return Ladders(markets, FreshLadders(rules=spec.fresh.rules, goods=fresh, made_by="random"))


def write_release(folder: Path, *, seed: int = 5, **shares: float) -> Path:
    """`folder/artifact`, as `models.pricing.train.Trained.save` writes it, and `folder/fallback`; returns `folder`."""
    instances = read_instances(SHIPPED)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        variables=NAMES,
        markets=tuple(MarketSpec(instance=each, rules=RULES.get(each.name, Rules())) for each in instances),
        fresh=fresh_spec(FRESH_GOODS),
    )
    files: dict[str, bytes | Path] = {MODEL: spec.model_dump_json().encode()}
    for number, each in enumerate(instances):
        market = build_market(each)
        network = he_network(width(market), len(market.prices), seed=100 * seed + number, **shares)
        files[WEIGHTS.format(market.name)] = network.to_bytes()
    prices = len(FRESH_PRICES)
    files[WEIGHTS.format(FRESH)] = he_network(fresh_state.WIDTH + prices, prices, seed=seed, **shares).to_bytes()
    files[GOODS] = goods_bytes(random_goods(FRESH_GOODS, seed=1))
    write_ladders(folder / "fallback", random_ladders(spec, random_goods(FRESH_GOODS, seed=1), seed=seed))
    write_artifact(
        folder / "artifact", name="pricing", config=Config(), files=files, metrics=(), input_schema={}, output_schema={},
        data_fingerprint="shipped", code_revision="test", trained_until=date(1970, 1, 1), seed=seed,
    )  # fmt: skip
    return folder


def shelves_of(asked: PriceInput) -> list[dict[str, Any]]:
    """The shelves one by one, as a box is asked of them."""
    return [
        {
            "period": int(asked.period[row]), "stock": asked.stock[row].tolist(), "before": float(asked.before[row]),
            "factors": {name: float(levels[row]) for name, levels in asked.factors.items()},
            **({} if asked.willingness_people is None else {"willingness_people": int(asked.willingness_people[row])}),
        }
        for row in range(len(asked.period))
    ]  # fmt: skip


def situations_of(market: str, count: int, *, seed: int, tag: str = "") -> list[dict[str, Any]]:
    """Situations of `count` labels of a market, ready for JSON."""
    instance = next(each for each in read_instances(SHIPPED) if each.name == market)
    shelves = shelves_of(situations(build_market(instance), count, seed=seed))
    return [
        {"id": f"{market}-{tag}{seed}-{number}", "label": f"{market}-{number}", "market": market, **shelf}
        for number, shelf in enumerate(shelves)
    ]


def fresh_shelves_of(asked: FreshInput) -> list[dict[str, Any]]:
    """The shelves one by one, as a box is asked of them; no more columns of stock than there are units."""
    shelves = []
    for row, good in enumerate(asked.good):
        stock = asked.stock[row]
        ages = 1 + int(np.flatnonzero(stock).max(initial=0))
        whole = {name: int(getattr(asked, name)[row]) for name in ("weekday", "coming", "wait", "up_to")}
        money = {name: float(getattr(asked, name)[row]) for name in ("list_price", "before")}
        shelves.append(
            {"good": good, "stock": stock[:ages].tolist(), "expected": asked.expected[row].tolist()} | whole | money
        )
    return shelves


def fresh_situations_of(predictor: FreshPredictor, count: int, *, seed: int, tag: str = "") -> list[dict[str, Any]]:
    """Situations of `count` labels of fresh goods, ready for JSON."""
    shelves = fresh_shelves_of(FreshTrial(predictor).situations(count, seed=seed))
    return [
        {"id": f"fresh-{tag}{seed}-{number}", "label": f"fresh-{number}", "market": FRESH, **shelf}
        for number, shelf in enumerate(shelves)
    ]


def fresh_columns(rows: list[dict[str, Any]]) -> FreshInput:
    """The situations, as the cloud is asked of them."""
    told = {name: [row[name] for row in rows] for name in rows[0] if name not in {"id", "label", "market", "stock"}}
    ages = max(len(row["stock"]) for row in rows)
    return FreshInput(stock=[row["stock"] + [0] * (ages - len(row["stock"])) for row in rows], **told)


def columns(rows: list[dict[str, Any]]) -> PriceInput:
    """The situations of one market, as the cloud is asked of them."""
    factors = {name: [row["factors"][name] for row in rows] for name in rows[0]["factors"]}
    period, stock, before = ([row[name] for row in rows] for name in ("period", "stock", "before"))
    people = [row["willingness_people"] for row in rows] if "willingness" in factors else None
    return PriceInput(rows[0]["market"], period, stock, before, factors, willingness_people=people)


def edge_venv() -> ModuleType:
    """The module beside this one that makes an environment of the extra `edge` alone."""
    spec = importlib.util.spec_from_file_location("edge_venv", Path(__file__).with_name("edge_venv.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Shop:
    """A release, its keys and bundles of it, under `root`."""

    def __init__(self, root: Path, **options) -> None:
        self.root, self.home = root, root / "box"
        self.folder = write_release(root / "release", **options)
        self.private, self.public = root / "signing.pem", root / "trusted.pem"
        if not self.public.exists():
            generate_keys(self.private, self.public)

    def bundle(self, revision: int = 1, **options) -> Path:
        out = self.root / f"{revision}.bundle"
        self.built = build_bundle(self.folder, out, read_private_key(self.private), revision=revision, **options)
        return out


class Box:
    """A box of a shop: its bundles, its labels, and what the centre would hear of them."""

    def __init__(self, shop: Any, home: Path) -> None:
        self.shop, self.home, self.key = shop, home, read_public_key(shop.public)

    def install(self, revision: int) -> None:
        bundle = self.shop.root / f"{revision}.bundle"
        update(
            self.home,
            bundle if bundle.exists() else self.shop.bundle(revision),
            self.key,
            self_test=by_itself(self.key),
        )

    def price(self, rows: list[dict[str, Any]], now: datetime = NOW) -> Report:
        runtime = open_prices(self.home, self.key)
        try:
            return reprice(self.home, runtime, [read_situation(row) for row in rows], now=now)
        finally:
            runtime.close()

    def labels(self) -> dict[str, Any]:
        return json.loads((self.home / LABELS_FILE).read_bytes())["labels"]

    def told(self) -> list[dict[str, Any]]:
        """Everything that the centre would hear now."""
        heard: list[dict[str, Any]] = []
        LabelStore(self.home).outbox.forward(heard.extend)
        return heard

    def damage(self) -> None:
        """One byte of a graph of the running bundle is another."""
        graph = self.home / BUNDLES / installed(self.home).current / "artifact" / "salad.onnx"
        content = bytearray(graph.read_bytes())
        content[-9] ^= 1
        graph.write_bytes(content)
