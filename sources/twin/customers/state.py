"""All that the online shop carries from one day to the next."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sources.twin.arrays import Floats, Ints

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class OnlineState:
    """Memory of the shop, for N customers and M items; a day makes a new one and leaves the old one as it was.

    `fatigue` (N, M) recent impressions and `pull` (N, M) strength of friends who just bought, both fading; `shown` and
    `clicked` (M,) fading counts that the shop's plain policy goes by. Purchases that will follow a friend's, columns (F,):
    `due` in days since 1970, `follower` and `item`.
    """

    fatigue: Singles
    pull: Singles
    shown: Floats
    clicked: Floats
    due: Ints
    follower: Ints
    item: Ints

    @classmethod
    def fresh(cls, customers: int, items: int) -> "OnlineState":
        """Nobody has seen anything."""
        none = np.zeros(0, dtype=np.int64)
        grid = np.zeros((customers, items), dtype=np.float32)
        return cls(grid, grid.copy(), np.zeros(items), np.zeros(items), none, none, none)

    def copy(self) -> "OnlineState":
        """An independent copy."""
        return OnlineState(*(getattr(self, f.name).copy() for f in fields(self)))

    def faded(self, day: int, fatigue: float, pull: float, memory: float) -> "OnlineState":
        """The state on the morning of `day`, each memory multiplied by its share; what is due by `day` is taken out."""
        later = self.due > day
        return OnlineState(
            self.fatigue * np.float32(fatigue),
            self.pull * np.float32(pull),
            self.shown * memory,
            self.clicked * memory,
            self.due[later],
            self.follower[later],
            self.item[later],
        )
