"""What a row of the benchmark is. A module beside this one registers its rows as `ROWS: list[BenchRow]`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("sources", "data_checks", "features", "models", "serving", "edge", "orchestration")


@dataclass(frozen=True)
class BenchContext:
    """What a row is given: a scratch folder of its own, and the real data sets (None where they are not)."""

    scratch: Path
    real_data: Path | None


@dataclass(frozen=True)
class BenchResult:
    """A measured value beside its peer or baseline, both from the same run and in the same unit.

    `bound` says in words what is asked; `met` is the verdict on it (None where nothing is asked).
    """

    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    bound: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class BenchRow:
    """One row: `run` measures it, in a process of its own. `rooms` are those whose code can move the figure."""

    name: str
    system: str
    what: str
    run: Callable[[BenchContext], BenchResult]
    needs_real_data: bool = False
    rooms: tuple[str, ...] = ROOMS
