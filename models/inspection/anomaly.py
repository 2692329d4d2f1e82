"""The standard without labels: how far a picture's places lie from what is usual there, by a Gaussian a place."""

import numpy as np

from models.inspection.data import Floats

_SHRINK = 0.1  # of a covariance to its diagonal: few sound packages, many numbers


def farthest(sound: Floats, asked: Floats) -> Floats:
    """Largest Mahalanobis distance (N,) of any place's numbers (N, P, F) from that place's on sound packages (M, P, F).

    Defard, Setkov, Loesch, Audigier 2021, "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
    Localization"; the numbers are differences from the approved picture instead of a pretrained network's, for none is at hand.
    """
    middle = sound.mean(axis=0)
    away = sound - middle
    covariance = np.einsum("mpf,mpg->pfg", away, away) / max(1, len(sound) - 1)
    diagonal = np.einsum("pff->pf", covariance)[..., None] * np.eye(sound.shape[2])
    shrunk = (1 - _SHRINK) * covariance + _SHRINK * diagonal + 1e-6 * np.eye(sound.shape[2])
    off = asked - middle
    squared = np.einsum("npf,pfg,npg->np", off, np.linalg.inv(shrunk), off)
    return np.asarray(np.sqrt(squared.max(axis=1)))
