"""The choice: which pictures of the pool to label next, beside as many chosen by chance."""

from dataclasses import dataclass

import numpy as np

from models.active_learning.config import Config
from models.active_learning.data import Dataset
from models.active_learning.selection import Ints, select
from models.common.protocols import ProgressCallback, silent


@dataclass(frozen=True, eq=False)
class Analysis:
    """Rows of the pool, each (min(count, N),): `chosen`, most wanted first, and `by_chance`, what they are held against."""

    cfg: Config
    data: Dataset
    chosen: Ints
    by_chance: Ints


def analyse(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Analysis:
    """Choose by the strategy, deterministic under the seed. Errors: DataError as `select`."""
    on_progress("choosing", 0.0)
    chosen = select(data.pool, cfg, np.random.default_rng(seed))
    on_progress("by chance", 0.9)
    chance = cfg.model_copy(update={"strategy": "random"})
    found = Analysis(cfg, data, chosen, select(data.pool, chance, np.random.default_rng(seed)))
    on_progress("done", 1.0)
    return found
