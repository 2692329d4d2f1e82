"""The Q-network: a duelling head over a small network, started at what each price gains now over the charge on its stock.

Q(s, a) = V(s) + A(s, a) - mean A(s, .), A(s, a) = network(s)[a] + exp(w(s)) gain[a]: Wang et al. (2016), "Dueling Network
Architectures for Deep Reinforcement Learning". `gain` are the last A entries of a state. Until it has learned, it acts like
a bid price, which is a good start; what is learned is where that is wrong.
"""

from typing import Any, cast

import torch
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from models.pricing.network import LEAST_LOG, MOST_LOG


class DuellingQNetwork(QNetwork):
    """Q-values (N, A) of states (N, S + A)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prices = int(self.action_space.n)
        layers: list[nn.Module] = []
        before = self.features_dim
        for size in self.net_arch:
            layers += [nn.Linear(before, size), nn.ReLU()]
            before = size
        self.q_net = nn.Sequential(*layers)
        self.value, self.advantage, self.weight = (
            nn.Linear(before, 1),
            nn.Linear(before, self.prices),
            nn.Linear(before, 1),
        )
        for layer in (self.advantage, self.weight):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, obs: Any) -> torch.Tensor:
        """Q-values (N, A) of states (N, S + A), in the market's scale."""
        hidden = self.q_net(obs)
        gain = obs[:, -self.prices :] * torch.exp(self.weight(hidden).clamp(LEAST_LOG, MOST_LOG))
        advantage = self.advantage(hidden) + gain
        return cast(torch.Tensor, self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True))


class DuellingPolicy(DQNPolicy):
    """Stable-Baselines3's policy around that network."""

    def make_q_net(self) -> QNetwork:
        """A network of its own, for online and target alike."""
        options = self._update_features_extractor(self.net_args, features_extractor=None)
        return DuellingQNetwork(**options).to(self.device)
