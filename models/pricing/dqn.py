"""DQN that learns from every price at once: the simulator tells what the same customers would have done at each.

Stable-Baselines3's DQN with (1) double Q-learning (van Hasselt et al. 2016), (2) transitions that hold the outcomes of all
prices under common random numbers (Glasserman and Yao 1992), so that what one price gains over another is told with little
noise, (3) squared errors: Huber's loss pulls a mean of skewed outcomes towards their median, which cost 1 % of the optimum
here, (4) exploration drawn for each shelf.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import DQNPolicy

from models.pricing.env import Outcomes
from models.pricing.vec_env import ShelvesVecEnv

LAST_RATE = 0.01  # of the learning rate, at the end


@dataclass(frozen=True)
class Batch:
    """B situations with the outcomes of K prices each: `states` (B, W), numbers `asked`, `reward` and `open` (B, K), `following`
    states (B, K, W), `goes_on` (B, 1), 1 where the episode does."""

    states: torch.Tensor
    asked: torch.Tensor
    reward: torch.Tensor
    following: torch.Tensor
    goes_on: torch.Tensor
    open: torch.Tensor


class OutcomeBuffer(ReplayBuffer):
    """The last `buffer_size` situations with the outcomes of all A prices."""

    def __init__(self, buffer_size: int, observation_space: Any, action_space: Any, **options: Any) -> None:
        BaseBuffer.__init__(
            self, buffer_size, observation_space, action_space, options.get("device", "cpu"), options.get("n_envs", 1)
        )
        width, prices = observation_space.shape[0], int(action_space.n)
        self.states = np.zeros((buffer_size, width), dtype=np.float32)
        self.reward = np.zeros((buffer_size, prices), dtype=np.float32)
        self.following = np.zeros((buffer_size, prices, width), dtype=np.float32)
        self.goes_on = np.zeros((buffer_size, 1), dtype=np.float32)
        self.open = np.zeros((buffer_size, prices), dtype=np.float32)
        self.optimize_memory_usage = False

    def keep(self, states: npt.NDArray[np.float32], found: Outcomes) -> None:
        """Add N situations (N, WIDTH + A) and their outcomes."""
        at = (self.pos + np.arange(len(states))) % self.buffer_size
        self.states[at], self.reward[at], self.following[at] = states, found.reward, found.states
        self.goes_on[at, 0], self.open[at] = ~found.ended, found.open
        self.full = self.full or self.pos + len(states) >= self.buffer_size
        self.pos = (self.pos + len(states)) % self.buffer_size

    def draw(self, count: int, prices: int, rng: np.random.Generator) -> Batch:
        """`count` situations, each with the outcomes of `prices` of its A prices, drawn by chance."""
        rows = rng.integers(0, self.buffer_size if self.full else self.pos, count)
        every = self.reward.shape[1]
        asked = np.broadcast_to(np.arange(every), (count, every)).copy()
        if prices < every:
            asked = rng.permuted(asked, axis=1)[:, :prices]
        at = (rows[:, None], asked)
        parts = (self.states[rows], asked, self.reward[at], self.following[at], self.goes_on[rows], self.open[at])
        return Batch(*(torch.from_numpy(part) for part in parts))

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Refused: transitions here have many actions."""
        raise NotImplementedError("draw situations with `draw`")


class CounterfactualDQN(DQN):
    """See the module. `draws` seeds exploration and batches; a gradient step learns from `prices_a_step` prices of a situation.

    The environment must work out outcomes.
    """

    def __init__(
        self,
        policy: type[DQNPolicy],
        env: ShelvesVecEnv,
        *,
        draws: int,
        prices_a_step: int,
        discount: float = 1.0,
        **options: Any,
    ) -> None:
        self._draws = np.random.default_rng(draws)
        self._allowed = env.shelves.allowed
        self._prices_a_step = prices_a_step
        super().__init__(policy, env, replay_buffer_class=OutcomeBuffer, learning_starts=0, gamma=discount, **options)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Greedy prices; while exploring, any price on a share of the shelves."""
        del episode_start
        with torch.no_grad():
            actions = self.q_net(torch.from_numpy(np.asarray(observation))).argmax(dim=1).numpy()
        if not deterministic:
            tries = self._draws.random(len(actions)) < self.exploration_rate
            actions = np.where(
                tries, self._draws.integers(0, int(cast(Any, self.action_space).n), len(actions)), actions
            )
        return actions, state

    def _store_transition(
        self, replay_buffer: Any, buffer_action: Any, new_obs: Any, reward: Any, dones: Any, infos: Any
    ) -> None:
        del buffer_action, reward, dones, infos  # of the price that was asked: the outcomes hold those of all
        outcomes = cast(ShelvesVecEnv, cast(VecEnv, self.env)).outcomes
        if outcomes is None:
            raise ValueError("the environment works out no outcomes: build it with counterfactual=True")
        replay_buffer.keep(self._last_obs, outcomes)
        self._last_obs = new_obs

    def _on_step(self) -> None:
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Steps on batches of situations; the target network follows after each."""
        buffer = cast(OutcomeBuffer, self.replay_buffer)
        self._update_learning_rate(self.policy.optimizer)
        online: list[torch.Tensor] = list(self.q_net.parameters())
        target: list[torch.Tensor] = list(self.q_net_target.parameters())
        # What follows a price: the next one is among those that the largest change leaves from there.
        closed = torch.from_numpy(np.where(self._allowed, 0.0, -np.inf).astype(np.float32))
        for _ in range(gradient_steps):
            drawn = buffer.draw(batch_size, self._prices_a_step, self._draws)
            following = drawn.following.flatten(0, 1)
            with torch.no_grad():
                best = (self.q_net(following) + closed[drawn.asked.flatten()]).argmax(dim=1, keepdim=True)
                later = self.q_net_target(following).gather(1, best).view_as(drawn.reward)
                aim = drawn.reward + self.gamma * drawn.goes_on * later
            away = self.q_net(drawn.states).gather(1, drawn.asked) - aim
            loss = (drawn.open * away.square()).sum() / drawn.open.sum()
            self.policy.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(online, self.max_grad_norm)
            self.policy.optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(target, online, self.tau)
        self._n_updates += gradient_steps


def falling(rate: float) -> Callable[[float], float]:
    """A learning rate that falls in a straight line with what remains of training."""
    return lambda remaining: rate * max(remaining, LAST_RATE)
