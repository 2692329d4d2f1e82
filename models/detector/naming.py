"""How sure a name is: temperature and least similarity set on crops that the embedder did not learn from.

Confidence is a softmax over products of likenesses by one temperature, fitted by likelihood (Guo et al. 2017, arXiv:1706.04599).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detector.boxes import Floats

Ints = npt.NDArray[np.int64]

TEMPERATURES = np.geomspace(0.005, 1.0, 54)
SLACK = 0.05  # of a likeness: tomorrow a package stands in other light than on any calibration picture
LEAST_CROPS = 20  # fewer say nothing: what the config has stays


@dataclass(frozen=True)
class Naming:
    """What crops tell: `temperature`, `least_similarity` below which a name is unknown, and `look_alike`, the likeness that half of
    the crops of a product reach to that product's own vectors, less SLACK; `crops` they were set on."""

    temperature: float
    least_similarity: float
    look_alike: float
    crops: int


def fit_naming(similarities: Floats, product: Ints, *, known_lost: float) -> Naming | None:
    """From likenesses (N, P) of crops to products and the right `product` (N,) of each; None for fewer than LEAST_CROPS.

    The least similarity is the likeness to the right product below which a share `known_lost` of the crops lies, less SLACK.
    """
    if len(product) < LEAST_CROPS:
        return None
    own = similarities[np.arange(len(product)), product]
    best = similarities.max(axis=1)
    losses = []
    for temperature in TEMPERATURES:
        rest = np.exp((similarities - best[:, None]) / temperature).sum(axis=1)
        losses.append(float((np.log(rest) - (own - best) / temperature).mean()))
    return Naming(
        temperature=float(TEMPERATURES[int(np.argmin(losses))]),
        least_similarity=float(np.clip(np.quantile(own, known_lost) - SLACK, -1, 1)),
        look_alike=float(np.clip(np.median(own) - SLACK, -1, 1)),
        crops=len(product),
    )
