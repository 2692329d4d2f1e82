"""The critic of the LSTM-GAN: an LSTM that tells drawn trajectories from those that were sold, given the covariates.

Goodfellow et al. (2014) for the game, in the form of Arjovsky et al. (2017) with the gradient penalty of Gulrajani et al.
(2017): the critic's slope is held near 1, so that its gradient stays a matter of one weight. The generator draws a path
through its own quantiles; noise is needed in training alone. Imports torch: only functions import this.
"""

import torch
from torch import Tensor, nn

from models.forecaster.networks.config import NetworkConfig

Z90 = 1.2815515655446004  # the 90 % point of the standard normal distribution
TRAJECTORY_BOUND = 5.0  # scaled sales beyond it tell the critic nothing but "an outlier"
CONTEXT = 8  # width in which the critic sees the covariates


class Paths(nn.Module):
    """Draws of whole trajectories from the quantiles of each step.

    A normal number is stretched so that it meets q10, q50 and q90 (a split normal distribution); a learnt share of it is
    common to all steps of a pair, for a series that sells well today does so tomorrow.
    """

    def __init__(self) -> None:
        super().__init__()
        self.common = nn.Parameter(torch.zeros(()))

    def forward(self, answer: Tensor, noise: torch.Generator) -> Tensor:
        """answer (N, H, 4) -> trajectories (N, H) in units of the scale."""
        low, middle, high = answer[..., 1], answer[..., 2], answer[..., 3]
        share = torch.sigmoid(self.common)
        pair = torch.randn((answer.shape[0], 1), generator=noise)
        step = torch.randn(middle.shape, generator=noise)
        normal = share.sqrt() * pair + (1 - share).sqrt() * step
        return middle + torch.where(normal < 0, middle - low, high - middle) * normal / Z90


class Critic(nn.Module):
    """Trajectory (N, H), encoded covariates (N, H, E) -> how real it looks, (N,)."""

    def __init__(self, inputs: int, cfg: NetworkConfig) -> None:
        super().__init__()
        self.context = nn.Linear(inputs, CONTEXT)
        self.lstm = nn.LSTM(CONTEXT + 1, cfg.critic_hidden, batch_first=True)
        self.judge = nn.Linear(cfg.critic_hidden, 1)

    def forward(self, trajectory: Tensor, encoded: Tensor) -> Tensor:
        steps = torch.cat([trajectory[..., None], torch.tanh(self.context(encoded))], dim=2)
        seen, _ = self.lstm(steps)
        judged: Tensor = self.judge(seen)
        return judged.mean(dim=(1, 2))


class Adversary:
    """The critic with its optimiser: it learns from a batch, then tells the generator how real its draws look."""

    def __init__(self, inputs: int, cfg: NetworkConfig, seed: int) -> None:
        self.critic, self.paths, self.cfg = Critic(inputs, cfg), Paths(), cfg
        self._optimiser = torch.optim.Adam(self.critic.parameters(), lr=cfg.critic_learning_rate, betas=(0.5, 0.9))
        self._noise = torch.Generator().manual_seed(seed)

    def loss(self, answer: Tensor, target: Tensor, known: Tensor, encoded: Tensor) -> Tensor:
        """The generator's loss on a batch: answer (N, H, 4), target and known (N, H); the critic takes a step first."""
        drawn = self._seen(self.paths(answer, self._noise), known)
        real = self._seen(target, known)
        self._learn(real, drawn.detach(), encoded)
        judged: Tensor = self.critic(drawn, encoded)
        return -judged.mean()

    def _seen(self, trajectory: Tensor, known: Tensor) -> Tensor:
        """Distance from the usual level; what is not known of the real ones is hidden in the drawn ones too."""
        return torch.where(known, (trajectory - 1.0).clamp(-TRAJECTORY_BOUND, TRAJECTORY_BOUND), torch.zeros(()))

    def _learn(self, real: Tensor, drawn: Tensor, encoded: Tensor) -> None:
        share = torch.rand((real.shape[0], 1), generator=self._noise)
        between = (share * real + (1 - share) * drawn).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between, encoded).sum(), between, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1.0) ** 2).mean()
        loss = self.critic(drawn, encoded).mean() - self.critic(real, encoded).mean()
        self._optimiser.zero_grad()
        torch.autograd.backward(loss + self.cfg.gradient_penalty * penalty)
        self._optimiser.step()
