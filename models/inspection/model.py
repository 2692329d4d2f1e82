"""Architecture: what differs from the approved picture, beyond light and a pixel's play, is looked at by a small convolutional net.

A package is judged as by a golden template with tolerances (variation model; Steger, Ulrich, Wiedemann 2018, "Machine Vision
Algorithms and Applications", ch. 3.4.1), whose differences feed a network instead of one threshold. All of it is one graph.
"""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = 8  # a side of the grid on which light is compared
FLOOR = 0.02  # keeps the logarithm of light finite
PLANES = 8  # seen by the first layer: grey, approved grey, signed excess and difference of the three channels


class Inspector(nn.Module):
    """Logits (N, K) of kinds, the first of which is soundness."""

    def __init__(self, kinds: int, width: int, readings: int) -> None:
        super().__init__()
        sizes = (PLANES, width, 2 * width, 3 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.eyes = nn.Sequential(*layers)
        self.felt = nn.Sequential(nn.Linear(2 * readings, 16), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(8 * width + 16, 48), nn.ReLU(), nn.Linear(48, kinds))
        plane, fit = _plane()
        self.plane: Tensor
        self.fit: Tensor
        self.register_buffer("plane", plane, persistent=False)
        self.register_buffer("fit", fit, persistent=False)

    def forward(self, picture: Tensor, approved: Tensor, readings: Tensor) -> Tensor:
        """picture, approved (N, 3, S, S) in 0..1; readings (N, 3) in standard deviations off nominal; logits (N, K)."""
        seen = self.eyes(self.compared(picture, approved))
        felt = self.felt(torch.cat([readings, readings.abs()], dim=1))
        pooled = [seen.amax(dim=(2, 3)), seen.mean(dim=(2, 3)), felt]
        logits: Tensor = self.head(torch.cat(pooled, dim=1))
        return logits

    def compared(self, picture: Tensor, approved: Tensor) -> Tensor:
        """Planes (N, PLANES, S, S): what the eyes see."""
        even = self.relit(picture, approved)
        # Where any neighbour of the approved pixel would do, nothing is in excess.
        highest, lowest = _neighbours(approved, torch.maximum), _neighbours(approved, torch.minimum)
        excess = F.relu(even - highest) - F.relu(lowest - even)
        grey = [each.mean(dim=1, keepdim=True) for each in (even, approved)]
        return torch.cat([*grey, 4.0 * excess, 2.0 * (even - approved)], dim=1)

    def relit(self, picture: Tensor, approved: Tensor) -> Tensor:
        """The picture under the approved one's light: a channel's gain falls off as a plane, in logarithms."""
        block = picture.shape[-1] // BLOCKS
        used = block * BLOCKS  # of sides that do not divide the last pixels tell no light of their own
        light = [
            (F.avg_pool2d(each[..., :used, :used], block).flatten(2) + FLOOR).log() for each in (approved, picture)
        ]
        plane = (light[0] - light[1]) @ self.fit.T  # (N, 3, 3)
        gain = (plane @ self.plane.T).exp().reshape(*plane.shape[:2], BLOCKS, BLOCKS)
        return picture * F.interpolate(gain, size=picture.shape[-2:], mode="bilinear", align_corners=False)


def _neighbours(picture: Tensor, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The highest or lowest of a pixel and its eight neighbours; pooling tells the same in twice the time."""
    for axis in (2, 3):
        size = picture.shape[axis]
        first, last = picture.narrow(axis, 0, 1), picture.narrow(axis, size - 1, 1)
        before = torch.cat([first, picture.narrow(axis, 0, size - 1)], dim=axis)
        after = torch.cat([picture.narrow(axis, 1, size - 1), last], dim=axis)
        picture = of(of(picture, before), after)
    return picture


def _plane() -> tuple[Tensor, Tensor]:
    """A plane's values (B, 3) on the grid's blocks, and the least squares that fit one (3, B)."""
    place = np.linspace(-1, 1, BLOCKS)
    down, across = np.meshgrid(place, place, indexing="ij")
    design = np.stack([np.ones(BLOCKS**2), down.ravel(), across.ravel()], axis=1)
    return torch.tensor(design, dtype=torch.float32), torch.tensor(np.linalg.pinv(design), dtype=torch.float32)
