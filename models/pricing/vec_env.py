"""Shelves behind the interface of Stable-Baselines3's vectorised environments."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from models.pricing.env import BOUND, Outcomes, Shelves
from models.pricing.fresh_env import FreshShelves
from models.pricing.market import Ints


class ShelvesVecEnv(VecEnv):
    """N shelves in step; finished episodes start anew. With `counterfactual` a step works out every price's outcome, kept
    in `outcomes` until the next step."""

    render_mode = None  # Stable-Baselines3 asks

    def __init__(self, shelves: Shelves | FreshShelves, *, counterfactual: bool = False) -> None:
        self.shelves = shelves
        self.outcomes: Outcomes | None = None
        self._counterfactual = counterfactual
        space = gym.spaces.Box(-BOUND, BOUND, (shelves.width,), np.float32)
        super().__init__(shelves.count, space, gym.spaces.Discrete(len(shelves.prices)))
        self._actions: Ints = np.zeros(shelves.count, dtype=np.int64)
        self._infos: list[dict[str, Any]] = [{} for _ in range(shelves.count)]

    def reset(self) -> VecEnvObs:
        """All episodes anew."""
        self.shelves.restart(np.arange(self.num_envs))
        return self.shelves.observe()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions (N,) for `step_wait`."""
        self._actions = np.asarray(actions, dtype=np.int64)

    def step_wait(self) -> VecEnvStepReturn:
        """Sell a period at the prices asked. Who learns from outcomes knows what came last: `infos` tell it without them."""
        return self._follow() if self._counterfactual else self._step()

    def _step(self) -> VecEnvStepReturn:
        shelves, infos = self.shelves, self._infos
        lived = shelves.step(self._actions)
        states, rows = shelves.observe(), np.flatnonzero(lived.ended)
        if rows.size:
            infos = [dict(info) for info in infos]
            for row in rows:
                infos[row]["terminal_observation"] = states[row].copy()
            shelves.restart(rows)
            states[rows] = shelves.observe(rows)
        return states, lived.reward.astype(np.float32), lived.ended, infos

    def _follow(self) -> VecEnvStepReturn:
        shelves = self.shelves
        self.outcomes = found = shelves.outcomes()
        rewards, ended = shelves.follow(self._actions, found)
        states, rows = found.states[np.arange(self.num_envs), self._actions], np.flatnonzero(ended)
        if rows.size:
            shelves.restart(rows)
            states[rows] = shelves.observe(rows)
        return states, rewards.astype(np.float32), ended, self._infos

    def close(self) -> None:
        """Nothing is held."""

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """One stream for all shelves."""
        self.shelves.rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The same for every shelf."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: shelves share one market."""
        del value, indices
        raise AttributeError(f"{attr_name}: the shelves of a market are alike: build another environment")

    def env_method(self, method_name: str, *_: Any, indices: VecEnvIndices = None, **options: Any) -> list[Any]:
        """Refused: there are no single environments inside."""
        del indices, options
        raise AttributeError(f"{method_name}: the shelves of a market share one environment")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Never."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]
