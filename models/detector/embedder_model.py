"""Architecture: torchvision's ResNet (He et al. 2016) with a projection to the unit sphere instead of its classes.

The body keeps torchvision's names, so that a ResNet50 that somebody has fits as it is.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck, ResNet

from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD

CHANNELS = 2_048  # of the last maps
FEATURES = 3 * CHANNELS
LEAST_SPREAD = 1e-3  # of even squares, which have nothing to tell


class Embedder(nn.Module):
    """Embeddings (B, D) of length 1 from crops (B, 3, S, S), ImageNet's mean and deviation divided out."""

    def __init__(self, blocks: tuple[int, int, int, int], width: int) -> None:
        super().__init__()
        # The last scale of each block starts at 0, so that a deep net starts shallow (Goyal et al. 2017).
        self.body = ResNet(Bottleneck, list(blocks), zero_init_residual=True)
        self.body.avgpool = Moments()
        self.body.fc = nn.Identity()
        self.project = nn.Linear(FEATURES, width, bias=False)
        # Features of even spread make the better cosines (Luo et al. 2019, "Bag of tricks", BNNeck).
        self.even = nn.BatchNorm1d(width)

    def features(self, crops: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 6144): see `Moments`."""
        return cast(Tensor, self.body(even_light(crops))).float()

    def embed(self, features: Tensor) -> Tensor:
        """(B, 6144) -> (B, D) of length 1."""
        return functional.normalize(self.even(self.project(features)))

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, D)."""
        return self.embed(self.features(crops))


class Moments(nn.Module):
    """Maps (B, C, h, w) -> (B, 3C, 1, 1): their means over the picture, and how far each leans to the right and to the bottom.

    Means alone forget where on a package its art and words are; faces, which are as well aligned, are told apart the better the
    more of the places is kept (Deng et al. 2019, ArcFace, whose last layer sees all of them).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Of any size; maps of one pixel lean nowhere."""
        maps = maps.float()
        down, across = (_from_middle(size, maps.device) for size in maps.shape[-2:])
        parts = (maps, maps * across, maps * down[:, None])
        return torch.cat([part.mean(dim=(2, 3), keepdim=True) for part in parts], dim=1)


def _from_middle(size: int, device: torch.device) -> Tensor:
    """Middles of so many cells of [-1, 1]."""
    return (2 * torch.arange(size, device=device, dtype=torch.float32) + 1) / size - 1


def even_light(crops: Tensor) -> Tensor:
    """Crops (B, 3, S, S), ImageNet's mean and deviation divided out, each with mean 0 and deviation 1 over its pixels and colours
    together: dim shops and spotlights are evened out within the graph, while hues stay apart."""
    mean, std = (crops.new_tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    # As light falls: times a number for all colours alike, which it is not once a mean of each colour is taken off.
    shown = crops * std + mean
    middle = shown.mean(dim=(1, 2, 3), keepdim=True)
    spread = (shown - middle).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return (shown - middle) / (spread + LEAST_SPREAD)


class Heads(nn.Module):
    """What training alone has: a proxy (I, D) for each identity, and a linear head for each coarse label of K (6144 -> C_k)."""

    def __init__(self, identities: int, width: int, coarse: tuple[int, ...]) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(identities, width))
        self.coarse = nn.ModuleList(nn.Linear(FEATURES, classes) for classes in coarse)
        for head in self.coarse:  # random ones would first of all shake the body that they hang on
            nn.init.zeros_(cast(nn.Linear, head).weight)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """(B, D) -> (B, I)."""
        return embeddings @ functional.normalize(self.proxies).T


def margin_loss(cosines: Tensor, target: Tensor, *, scale: float, margin: float, smoothing: float) -> Tensor:
    """Normalised softmax (Zhai and Wu 2019) with a cosine margin (CosFace): cosines (B, I), target (B,)."""
    led = cosines - margin * functional.one_hot(target, cosines.shape[1]).to(cosines.dtype)
    return functional.cross_entropy(scale * led, target, label_smoothing=smoothing)


def coarse_loss(heads: Heads, features: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """Mean cross-entropy over coarse labels (B, K), those below 0 left out: unknown."""
    losses = [
        functional.cross_entropy(head(features)[known], labels[known, k], label_smoothing=smoothing)
        for k, head in enumerate(heads.coarse)
        if (known := labels[:, k] >= 0).any()
    ]
    return torch.stack(losses).mean() if losses else features.sum() * 0
