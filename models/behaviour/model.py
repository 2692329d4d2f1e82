"""Architecture: an LSTM each way over the steps of a person, a pointer to the lanes of the gondola at hand, and a dwell time (torch).

Hochreiter and Schmidhuber (1997) for the memory, Graves and Schmidhuber (2005) for reading both ways; a lane is chosen by the fit of
what is remembered to where it lies, as pointer networks choose (Vinyals, Fortunato and Jaitly 2015). What is left of a stop hangs on
the forward memory alone, so that it may be asked while the stop lasts.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.behaviour.shop import Shop
from models.behaviour.spec import LEVELS

CLOSE_M = 0.15  # about half a lane: the unit in which lanes lie aside
FARTHEST = 12.0  # such units, squared or not, beyond which aside is aside
PLAIN = 7  # numbers that tell how a lane lies: aside as seen and smoothed, both squared, width, two of own events
NOWHERE = -1e4  # score of a lane that is not there


class Watcher(nn.Module):
    """Scores (B, T, 1 + M) of no lane and of the lanes at hand; log odds (B, T) of a stop; rising quantiles (B, T, Q) at `LEVELS`
    of the seconds left, in a unit that the artifact tells."""

    def __init__(self, shop: Shop, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.center: Tensor
        self.spread: Tensor
        self.slots: Tensor
        self.register_buffer("center", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        there, lane = shop.slots >= 0, np.maximum(shop.slots, 0)
        middle, half = (shop.left + shop.right)[lane] / 2, (shop.right - shop.left)[lane] / 2
        board = (shop.level[lane][..., None] == np.arange(shop.levels)) & there[..., None]
        self.register_buffer(
            "slots", torch.tensor(np.stack([there, middle, half], axis=2), dtype=torch.float32), persistent=False
        )
        self.board: Tensor
        self.register_buffer("board", torch.tensor(board, dtype=torch.float32), persistent=False)
        self.product: Tensor
        self.register_buffer("product", torch.tensor(shop.product[lane]), persistent=False)
        self.forward_memory = nn.LSTM(inputs, width, batch_first=True)
        self.backward_memory = nn.LSTM(inputs, width, batch_first=True)
        self.hidden = nn.Dropout(dropout)
        self.weights = nn.Linear(2 * width, PLAIN + 3 * shop.levels)
        self.none = nn.Linear(2 * width, 1)
        self.appeal = nn.Embedding(len(shop.products), 1)
        self.stop = nn.Linear(2 * width, 1)
        self.left = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, len(LEVELS)))
        nn.init.zeros_(self.appeal.weight)

    def forward(
        self, inputs: Tensor, turn: Tensor, faced: Tensor, along: Tensor, near: Tensor, mats: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """inputs (B, T, F); turn (B, T) the step that mirrors each in its path; faced (B, T) gondola or G; along (B, T, 2); near
        (B, T, M, 2); mats (B, T, V, 2)."""
        told = (inputs - self.center) / self.spread
        mirror = turn[..., None]
        ahead, _ = self.forward_memory(told)
        back, _ = self.backward_memory(told.gather(1, mirror.expand_as(told)))
        back = back.gather(1, mirror.expand_as(back))
        both = self.hidden(torch.cat([ahead, back], dim=2))
        lanes = self._lanes(self.weights(both), faced, along, near, mats)
        scores = torch.cat([self.none(both), lanes], dim=2)
        return scores, self.stop(both).squeeze(2), functional.softplus(self.left(self.hidden(ahead))).cumsum(dim=2)

    def _lanes(self, weights: Tensor, faced: Tensor, along: Tensor, near: Tensor, mats: Tensor) -> Tensor:
        """Scores (B, T, M) of the slots of the gondola at hand."""
        there, middle, half = self.slots[faced].unbind(dim=3)  # (B, T, M) each
        aside = (along[:, :, None] - middle[..., None]) / CLOSE_M  # (B, T, M, 2)
        squared = (aside**2).clamp(max=FARTHEST)
        features = torch.cat([aside.abs().clamp(max=FARTHEST), squared, half[..., None] / CLOSE_M, near], dim=3)
        plain = (features * weights[:, :, None, :PLAIN]).sum(dim=3)
        levels = mats.shape[2]
        by_board, after, before = torch.split(weights[:, :, PLAIN:], levels, dim=2)
        by_board = by_board + after * mats[..., 0] + before * mats[..., 1]
        boards = (self.board[faced] * by_board[:, :, None]).sum(dim=3)
        scores = plain + boards + self.appeal(self.product[faced]).squeeze(3)
        return torch.where(there > 0, scores, torch.full_like(scores, NOWHERE))
