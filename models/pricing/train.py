"""Training: a network a market, each from its own simulated shelves."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import ProgressCallback, silent
from models.common.report import Report
from models.common.torch_control import torch_controlled
from models.pricing import fresh_state
from models.pricing.config import Config
from models.pricing.data import Dataset
from models.pricing.fresh import Goods
from models.pricing.fresh_data import goods_bytes
from models.pricing.market import Market
from models.pricing.network import Network
from models.pricing.predict import GOODS, MODEL, WEIGHTS, Predictor
from models.pricing.spec import FORMAT_VERSION, FRESH, FreshSpec, MarketSpec, ModelSpec
from models.pricing.state import NAMES, VARIABLES

if TYPE_CHECKING:
    from models.pricing.env import Shelves
    from models.pricing.fresh_env import FreshShelves

LIBRARIES = ("numpy", "stable-baselines3", "torch")
TOLD = 20  # times progress is told a market


@dataclass(frozen=True)
class Trained:
    """Trained prices in memory: what `save` writes."""

    config: Config
    spec: ModelSpec
    networks: dict[str, Network]
    goods: Goods | None
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`. Its networks are what is evaluated; what it serves keeps to the
        rules beside."""
        return Predictor(self.spec, self.networks, self.goods)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        files: dict[str, bytes | Path] = {MODEL: self.spec.model_dump_json(indent=1).encode()}
        files |= {WEIGHTS.format(name): network.to_bytes() for name, network in self.networks.items()}
        if self.goods is not None:
            files[GOODS] = goods_bytes(self.goods)
        return write_artifact(
            folder,
            name="pricing",
            config=self.config,
            files=files,
            metrics=report.metric_dicts() if report else (),
            input_schema={each.name: {"shape": ["N"], "unit": each.unit, "source": each.source} for each in VARIABLES},
            output_schema={"price": {"shape": ["N"], "type": "money"}, "rule": {"shape": ["N"], "type": "text"}},
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """A network for each market; the same data, config and seed give the same bytes."""
    networks = {}
    share = 1.0 / (len(data.markets) + (data.fresh is not None))
    for number, market in enumerate(data.markets):

        def tell(stage: str, fraction: float, start: float = number * share) -> None:
            on_progress(stage, start + fraction * share * 0.999)

        networks[market.name] = fit_network(market, cfg, seed=seed, on_progress=tell)
    fresh, goods = None, None
    if data.fresh is not None:

        def tell_fresh(stage: str, fraction: float) -> None:
            on_progress(stage, 1.0 - share + fraction * share * 0.999)

        networks[FRESH] = fit_fresh(data.fresh.goods, cfg, seed=seed, on_progress=tell_fresh)
        goods = data.fresh.goods
        fresh = FreshSpec(
            goods=data.fresh.names,
            essential=tuple(bool(each) for each in data.fresh.goods.ceiling <= 1.0),
            prices=cfg.fresh_prices,
            waste_weight=cfg.waste_weight,
            variables=fresh_state.NAMES,
            rules=cfg.fresh_rules,
        )
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        variables=NAMES,
        markets=tuple(MarketSpec(instance=each, rules=data.rules[each.name]) for each in data.instances),
        fresh=fresh,
    )
    on_progress("trained", 1.0)
    return Trained(cfg, spec, networks, goods, data.fingerprint, data.trained_until, seed)


def fit_network(market: Market, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Network:
    """The network of one market."""
    days, draws = (int(each) for each in np.random.SeedSequence(seed).generate_state(2))
    from models.pricing.env import Shelves

    on_progress(f"{market.name}: {len(market.prices)} prices, {market.periods} periods", 0.0)
    shelves = Shelves(market, cfg.shelves, seed=days, explore=cfg.start_anywhere)
    return fit_shelves(shelves, market.name, cfg, seed=seed, draws=draws, on_progress=on_progress)


def fit_fresh(goods: Goods, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Network:
    """The network of all fresh goods."""
    days, draws = (int(each) for each in np.random.SeedSequence(seed).generate_state(2))
    from models.pricing.fresh_env import FreshShelves

    own = cfg.model_copy(update={"steps": cfg.fresh_steps})
    on_progress(f"{FRESH}: {len(goods)} goods, {len(cfg.fresh_prices)} prices", 0.0)
    shelves = FreshShelves(goods, np.array(cfg.fresh_prices), cfg.shelves, seed=days, waste_weight=cfg.waste_weight)
    return fit_shelves(
        shelves, FRESH, own, seed=seed, draws=draws, discount=cfg.fresh_discount, on_progress=on_progress
    )


def fit_shelves(
    shelves: "Shelves | FreshShelves",
    name: str,
    cfg: Config,
    *,
    seed: int,
    draws: int,
    discount: float = 1.0,
    on_progress: ProgressCallback = silent,
) -> Network:
    """A network that learns on simulated shelves; `draws` seeds exploration and batches."""
    from stable_baselines3.common.callbacks import BaseCallback

    from models.pricing.dqn import CounterfactualDQN, falling, unlogged
    from models.pricing.model import DuellingPolicy, DuellingQNetwork
    from models.pricing.vec_env import ShelvesVecEnv

    rounds = -(-cfg.steps // cfg.steps_a_round)

    class Teller(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls % max(rounds // TOLD, 1) == 0:
                done = self.n_calls / rounds
                on_progress(f"{name}: {self.n_calls * cfg.steps_a_round:,} of {cfg.steps:,} steps", min(done, 1.0))
            return True

    with torch_controlled(cfg.threads, seed):
        model = CounterfactualDQN(
            DuellingPolicy,
            ShelvesVecEnv(shelves, counterfactual=True),
            draws=draws,
            discount=discount,
            learning_rate=falling(cfg.learning_rate),
            buffer_size=cfg.buffer,
            batch_size=cfg.batch,
            tau=cfg.target_rate_a_round,
            train_freq=1,
            gradient_steps=cfg.steps_a_round,
            exploration_initial_eps=cfg.explore_from,
            exploration_final_eps=cfg.explore_to,
            exploration_fraction=cfg.explore_share,
            policy_kwargs={"net_arch": [cfg.hidden, cfg.hidden], "optimizer_kwargs": {"fused": True}},
            target_update_interval=cfg.shelves,
            device="cpu",
        )
        unlogged(model).learn(rounds * cfg.shelves, callback=Teller(), log_interval=None)  # type: ignore[arg-type]
        network = cast(DuellingQNetwork, model.q_net)
        return Network(network.parts())
