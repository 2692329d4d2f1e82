"""What drove a decision: which region of the picture, and which reading, by putting each back as it was approved.

Occlusion (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks") with the approved sample as what is put
in: a region that would be sound were it as approved is the reason, in log odds of a defect.
"""

from dataclasses import dataclass

import numpy as np

from models.inspection.data import READINGS, Floats
from models.inspection.predict import InspectionInput, Predictor, log_odds
from models.inspection.registering import registered
from models.inspection.requests import checked

GRID = 8  # regions a side


@dataclass(frozen=True)
class Reasons:
    """Of N packages, in log odds of a defect: `regions` (N, GRID, GRID) and `readings` (N, 3) by how much the score falls where one
    is put back as approved, `picture` (N,) where the whole picture is; `score` (N,) as it came."""

    regions: Floats
    readings: Floats
    picture: Floats
    score: Floats

    @property
    def foremost(self) -> list[str]:
        """The part with the largest fall: a reading's name, or "picture"."""
        falls = np.column_stack([self.picture, self.readings])
        names = ("picture", *READINGS)
        return [names[number] for number in falls.argmax(axis=1)]


def explain(model: Predictor, request: InspectionInput) -> Reasons:
    """Reasons for each package of a request; GRID^2 + 5 packages are judged for each. InputError as `Predictor.predict`."""
    told = checked(request, model.spec.side_px)
    moved = registered(told.pictures, told.approved, told.batch, model.spec.furthest_px)
    step = -(-model.spec.side_px // GRID)
    regions, readings, picture, score = [], [], [], []
    for row in range(len(moved)):
        approved = told.approved[told.batch[row]]
        tried = np.repeat(moved[row][None], GRID**2 + len(READINGS) + 2, axis=0)
        off = np.repeat(told.off[row][None], len(tried), axis=0)
        for number in range(GRID**2):
            down, across = (step * each for each in divmod(number, GRID))
            here = (slice(down, down + step), slice(across, across + step))
            tried[(number, *here)] = approved[here]
        tried[GRID**2] = approved
        for column in range(len(READINGS)):
            off[GRID**2 + 1 + column, column] = 0.0
        batch = np.zeros(len(tried), dtype=np.int64)
        scores = log_odds(model.logits(tried, approved[None], batch, off))
        falls = scores[-1] - scores[:-1]
        regions.append(falls[: GRID**2].reshape(GRID, GRID))
        picture.append(falls[GRID**2])
        readings.append(falls[GRID**2 + 1 :])
        score.append(scores[-1])
    return Reasons(np.stack(regions), np.stack(readings), np.array(picture), np.array(score))
