"""Round parts photographed from above, without approved samples: each ring of a part is its own reference.

A part is laid out by angle and radius about its hub; what stands out from the ring's neighbourhood along the angle is a pit, a
blow hole or a burr, whatever the part's turn and light. Bands of rings are told by how far their pixels stand out.
"""

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.inspection.data import Floats
from models.inspection.pictures import LEAST_SIDE, MOST_SIDE
from models.inspection.resampling import auroc

RADII, ANGLES, BANDS = 144, 360, 9
NEIGHBOURHOODS = (8, 25)  # degrees to each side that a pixel is compared with
BLURS = (1, 3)  # degrees and radii over which what stands out is averaged
STATISTICS = 5  # highest, lowest, 99 and 1 per cent, standard deviation
DARK = 70.0 / 255  # the hub's surroundings lie in shadow
PENALTY = 0.1  # inverse strength of the ridge of the logistic regression; chosen once, not by fold


def ring_features(photos: npt.NDArray[np.uint8]) -> Floats:
    """(N, BANDS, F) of grey photos (N, S, S): logarithms of how far a band's pixels stand out of their ring.

    DataError for another shape or type.
    """
    if photos.ndim != 3 or photos.dtype != np.uint8 or photos.shape[1] != photos.shape[2] or not len(photos):
        raise DataError(
            f"photos: shape {photos.shape} of {photos.dtype}: expected (N, S, S) of uint8: make them grey squares"
        )
    if not LEAST_SIDE <= photos.shape[1] <= MOST_SIDE:
        raise DataError(f"photos: {photos.shape[1]} px a side: expected {LEAST_SIDE} to {MOST_SIDE}: scale them")
    return np.stack([_features(unrolled(photo)) for photo in photos])


def unrolled(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(ANGLES, RADII) levels of a photo (S, S) about its hub, out to half its side."""
    from scipy import ndimage

    down, across = hub(photo)
    angle = np.arange(ANGLES)[:, None] * 2 * np.pi / ANGLES
    radius = np.arange(RADII)[None, :] * (photo.shape[0] / 2 / RADII)
    places = np.stack([down + radius * np.sin(angle), across + radius * np.cos(angle)])
    return np.asarray(ndimage.map_coordinates(photo.astype(np.float32), places, order=1, mode="nearest"), np.float32)


def hub(photo: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Row and column of the hub: the middle of the largest dark region near the middle; the photo's middle where there is none."""
    from scipy import ndimage

    side = photo.shape[0]
    smooth = ndimage.gaussian_filter(photo.astype(np.float32), side / 150)
    region, count = ndimage.label(smooth < 255 * DARK)
    if not count:
        return (side - 1) / 2, (side - 1) / 2
    numbers = np.arange(1, count + 1)
    middles = np.array(ndimage.center_of_mass(region > 0, region, numbers))
    sizes = np.bincount(region.ravel())[1:] * (np.hypot(*(middles - side / 2).T) < side / 5)
    if not sizes.any():
        return (side - 1) / 2, (side - 1) / 2
    down, across = middles[sizes.argmax()]
    return float(down), float(across)


def _features(polar: npt.NDArray[np.float32]) -> Floats:
    from scipy import ndimage

    columns = []
    for reach in NEIGHBOURHOODS:
        around = np.pad(polar, ((reach, reach), (0, 0)), mode="wrap")
        away = polar - ndimage.median_filter(around, size=(2 * reach + 1, 1))[reach:-reach]
        for blur in BLURS:
            bands = ndimage.uniform_filter(away, blur, mode=("wrap", "nearest")).reshape(ANGLES, BANDS, -1)
            pixels = bands.transpose(1, 0, 2).reshape(BANDS, -1)
            low, high = np.percentile(pixels, (1, 99), axis=1)
            columns += [pixels.max(axis=1), -pixels.min(axis=1), high, -low, pixels.std(axis=1)]
    told = np.stack(columns, axis=1).astype(np.float64)
    return np.asarray(np.sign(told) * np.log1p(np.abs(told)))


def fold_aurocs(
    features: Floats, faulty: npt.NDArray[np.bool_], *, folds: int, repeats: int, seed: int
) -> dict[str, Floats]:
    """AUROC (repeats * folds,) of logistic regression on the features, and of the Gaussian anomaly model that sees only the sound
    parts of the same training folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from models.inspection.anomaly import farthest

    flat = features.reshape(len(features), -1)
    splits = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed).split(flat, faulty)
    found: dict[str, list[float]] = {"rings": [], "anomaly": []}
    for known, asked in splits:
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2_000))
        scores = fitted.fit(flat[known], faulty[known]).decision_function(flat[asked])
        found["rings"].append(auroc(scores, faulty[asked]))
        sound = features[known][~faulty[known]]
        found["anomaly"].append(auroc(farthest(sound, features[asked]), faulty[asked]))
    return {name: np.array(values) for name, values in found.items()}
