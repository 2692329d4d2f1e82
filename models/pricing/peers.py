"""The peer: Stable-Baselines3's own DQN on the same shelves, with the same knobs and as many outcomes a gradient step."""

import numpy as np
import torch

from models.common.torch_control import torch_controlled
from models.pricing.config import Config
from models.pricing.env import Shelves
from models.pricing.fresh import Goods, Situation
from models.pricing.fresh_env import FreshShelves
from models.pricing.fresh_state import assemble
from models.pricing.market import Floats, Ints, Market
from models.pricing.state import Assembler, Reading

PEER = "DQN (Stable-Baselines3)"


class PeerPolicy:
    """The greedy policy of a plain Q-network."""

    def __init__(self, market: Market, q_net: torch.nn.Module) -> None:
        self.name = PEER
        self._market = market
        self._q_net = q_net
        self._assembler = Assembler(market)

    def choose(self, at: Reading) -> Ints:
        """Number of the price (N,)."""
        with torch.no_grad():
            values = self._q_net(torch.from_numpy(self._assembler.assemble(at))).numpy()
        return self._market.best(at.b, values)


class FreshPeer:
    """The greedy policy of a plain Q-network for fresh goods."""

    def __init__(self, prices: Floats, q_net: torch.nn.Module) -> None:
        self.name = PEER
        self._prices = prices
        self._q_net = q_net

    def choose(self, at: Situation) -> Floats:
        """Prices over list price (N,)."""
        with torch.no_grad():
            values = self._q_net(torch.from_numpy(assemble(at, self._prices, 0.0))).numpy()
        return np.asarray(self._prices[values.argmax(axis=1)])


def fit_peer(market: Market, cfg: Config, *, seed: int) -> PeerPolicy:
    """Of a market."""
    shelves = Shelves(market, cfg.shelves, seed=seed, explore=cfg.start_anywhere)
    return PeerPolicy(market, _fit(shelves, cfg, seed=seed, discount=1.0))


def fit_fresh_peer(goods: Goods, cfg: Config, *, seed: int) -> FreshPeer:
    """Of fresh goods; it is asked for margin alone, as it is judged."""
    prices = np.array(cfg.fresh_prices)
    shelves = FreshShelves(goods, prices, cfg.shelves, seed=seed, waste_weight=0.0)
    own = cfg.model_copy(update={"peer_steps": cfg.fresh_peer_steps})
    return FreshPeer(prices, _fit(shelves, own, seed=seed, discount=cfg.fresh_discount))


def _fit(shelves: Shelves | FreshShelves, cfg: Config, *, seed: int, discount: float) -> torch.nn.Module:
    """Train for `cfg.peer_steps` gradient steps: one price a situation, those beyond the largest change as the
    nearest one that is open, Huber's loss, no duelling."""
    from stable_baselines3 import DQN

    from models.pricing.dqn import falling, unlogged
    from models.pricing.vec_env import ShelvesVecEnv

    outcomes = cfg.peer_batch or cfg.batch * len(shelves.prices)
    with torch_controlled(cfg.threads, seed):
        model = DQN(
            "MlpPolicy",
            ShelvesVecEnv(shelves),
            learning_rate=falling(cfg.learning_rate),
            buffer_size=cfg.buffer * len(shelves.prices),
            learning_starts=outcomes,
            batch_size=outcomes,
            tau=cfg.target_rate_a_round,
            gamma=discount,
            train_freq=1,
            gradient_steps=cfg.steps_a_round,
            target_update_interval=cfg.shelves,
            exploration_fraction=cfg.explore_share,
            exploration_initial_eps=cfg.explore_from,
            exploration_final_eps=cfg.explore_to,
            policy_kwargs={"net_arch": [cfg.hidden, cfg.hidden], "optimizer_kwargs": {"fused": True}},
            device="cpu",
        )
        model.action_space.seed(seed)
        state = np.random.get_state()  # noqa: NPY002 (the peer explores by the global stream: as it was before, afterwards)
        try:
            np.random.seed(seed)  # noqa: NPY002
            unlogged(model).learn(-(-cfg.peer_steps // cfg.steps_a_round) * cfg.shelves, log_interval=None)  # type: ignore[arg-type]
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return model.q_net
