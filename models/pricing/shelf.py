"""What a period does to a shelf: customers ask, units go, the rest ages, goods arrive. Vectorised over any leading axes.

Stock (..., L) is by periods left, the units that expire first in the first column.
"""

from typing import Any

import numpy as np

from models.pricing.market import NO_TARGET, Floats, Ints

LEAST_LOG = -600.0  # of a chance: below, numbers run out, and a mean so high is rare enough for slower ways


def take(stock: Ints, units: Ints, *, newest_first: bool) -> Ints:
    """What is left of stock (..., L) when `units` (...) of it are sold."""
    ordered = stock[..., ::-1] if newest_first else stock
    through = np.cumsum(ordered, axis=-1)
    left = np.minimum(ordered, np.maximum(through - units[..., None], 0))
    return np.asarray(left[..., ::-1] if newest_first else left)


def age(stock: Ints, *, keeps: bool) -> tuple[Ints, Ints]:
    """Stock (..., L) a period older, and the units (...) that expired."""
    if keeps:
        return stock, np.zeros(stock.shape[:-1], dtype=np.int64)
    older = np.concatenate([stock[..., 1:], np.zeros_like(stock[..., :1])], axis=-1)
    return older, stock[..., 0]


def deliver(stock: Ints, units: Ints, up_to: Ints, room: int) -> tuple[Ints, Ints]:
    """Stock (..., L) after a delivery, and the units that came; `up_to` NO_TARGET: `units`, as far as there is room."""
    total = stock.sum(axis=-1)
    wanted = np.where(up_to == NO_TARGET, units, np.maximum(up_to - total, 0))
    came = np.minimum(wanted, room - total)
    fuller = stock.copy()
    fuller[..., -1] += came
    return fuller, came


def oldest(stock: Ints, none: Any) -> Ints:
    """Column (N,) of the units of stock (N, L) that expire first; `none` where there are no units."""
    some = stock > 0
    return np.asarray(np.where(some.any(axis=1), some.argmax(axis=1), none))


def demand_probabilities(mean: Floats, most: int, dispersion: float | None) -> Floats:
    """Chances (..., most + 1) of 0..most units asked for, the last one of `most` or more, under `mean` (...)."""
    mass = _law(np.maximum(mean, 1e-12)[..., None], dispersion).pmf(np.arange(most))
    last = np.maximum(1.0 - mass.sum(axis=-1, keepdims=True), 0.0)
    return np.concatenate([mass, last], axis=-1)


def units_asked(chance: Floats, mean: Floats, most: int, dispersion: float | Floats | None) -> Ints:
    """Units asked for, at most `most`, by inverting the distribution around `mean` (N, A) at `chance` (N, 1) in [0, 1).

    `dispersion` is of all or (N, 1).

    One chance for several means gives the same customers under several prices: nobody buys more because it got dearer.
    """
    # The log chance that nobody comes.
    none = -mean if dispersion is None else dispersion * np.log(dispersion / (dispersion + mean))
    many = none < LEAST_LOG
    small = np.where(many, 0.0, mean)
    asked = np.zeros(mean.shape, dtype=np.int64)
    mass = np.exp(np.where(many, 0.0, none))
    ratio = small if dispersion is None else small / (dispersion + small)
    total = mass.copy()
    for k in range(most):
        more = chance > total
        if not more.any():
            break
        asked += more
        mass = mass * ratio * ((1.0 if dispersion is None else k + dispersion) / (k + 1.0))
        total += mass
    if many.any():
        shape = np.broadcast_to(dispersion, mean.shape)[many] if isinstance(dispersion, np.ndarray) else dispersion
        law = _law(mean[many], shape)
        asked[many] = np.minimum(law.ppf(np.broadcast_to(chance, mean.shape)[many]), most)
    return asked


def _law(mean: Floats, dispersion: float | Floats | None) -> Any:
    """The distribution of demand around `mean`, of SciPy."""
    from scipy import stats

    if dispersion is None:
        return stats.poisson(mean)
    return stats.nbinom(dispersion, dispersion / (dispersion + mean))
