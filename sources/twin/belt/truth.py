"""What is true of the belt's packages and in no table that is read before a person looked: kind and severity of the defect."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints

SOUND = "none"
SEEN = ("dent", "tear", "label_missing", "label_skewed", "label_wrong", "date_wrong", "date_blurred")
FELT = ("leak", "underfill", "warm")  # only the sensors tell
KINDS = (SOUND, *SEEN, *FELT)


@dataclass(frozen=True)
class BeltTruth:
    """Of N packages: `kind` (N,) numbers KINDS; `severity` (N,) in (0, 1], 0 where sound."""

    kind: Ints
    severity: Floats

    @property
    def names(self) -> list[str]:
        """Kind of each package in words."""
        return [KINDS[number] for number in self.kind]

    @property
    def faulty(self) -> np.ndarray:
        """(N,) whether there is a defect."""
        return np.asarray(self.kind > 0)
