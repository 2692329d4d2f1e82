"""The Q-network: a duelling head over a small network, started at what each price gains now over the charge on its stock.

Q(s, a) = V(s) + A(s, a) - mean A(s, .), A(s, a) = network(s)[a] + exp(w(s)) gain[a]: Wang et al. (2016), "Dueling Network
Architectures for Deep Reinforcement Learning". `gain` are the last A entries of a state. Until it has learned, it acts like
a bid price, which is a good start; what is learned is where that is wrong.
"""

from typing import Any, cast

import torch
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from models.pricing.network import LEAST_LOG, MOST_LOG, Array


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
        # One product for all heads: most of a step is overhead.
        self.rows = {"value": 1, "weight": 1, "advantage": self.prices}
        self.heads = nn.Linear(before, sum(self.rows.values()))
        nn.init.zeros_(self.heads.weight[1:])
        nn.init.zeros_(self.heads.bias[1:])

    def forward(self, obs: Any) -> torch.Tensor:
        """Q-values (N, A) of states (N, S + A), in the market's scale."""
        value, weight, advantage = self.heads(self.q_net(obs)).split(tuple(self.rows.values()), dim=1)
        advantage = advantage + obs[:, -self.prices :] * weight.clamp(LEAST_LOG, MOST_LOG).exp()
        return cast(torch.Tensor, value + advantage - advantage.mean(dim=1, keepdim=True))

    def parts(self) -> dict[str, Array]:
        """Weights and biases by the names of `network.Network`."""
        layers = {"first": self.q_net[0], "second": self.q_net[2]}
        found = {f"{name}.{kind}": getattr(each, kind) for name, each in layers.items() for kind in ("weight", "bias")}
        for kind in ("weight", "bias"):
            parts = getattr(self.heads, kind).split(tuple(self.rows.values()))
            found |= {f"{name}.{kind}": part for name, part in zip(self.rows, parts, strict=True)}
        return {name: part.detach().numpy().copy() for name, part in found.items()}


class DuellingPolicy(DQNPolicy):
    """Stable-Baselines3's policy around that network."""

    def make_q_net(self) -> QNetwork:
        """A network of its own, for online and target alike."""
        options = self._update_features_extractor(self.net_args, features_extractor=None)
        return DuellingQNetwork(**options).to(self.device)
