"""Opens a packing line from its one-line description: `belt`, the twin's, or a folder of the two tables of its contracts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from sources.base import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from sources.twin.belt.params import BeltParams

TWIN: Final = "belt"
FORMS: Final = "belt | FOLDER of inspections.parquet and approved_samples.parquet"


class BeltSource(Protocol):
    """Raw tables of a packing line, by the names in `data_checks.contracts.BELT_TABLES`."""

    @property
    def name(self) -> str:
        """`belt` or `folder`."""
        ...

    def read(self, table: str) -> "pa.Table":
        """Rows as delivered, pictures as bytes. Errors: SourceError naming table or file, and the remedy."""
        ...

    def fingerprint(self) -> str:
        """Hexadecimal digest that changes whenever a table could change."""
        ...

    def severities(self) -> Mapping[str, float] | None:
        """Package -> severity of its defect in [0, 1], 0 where sound: the truth, for `evaluate` alone; None where nobody knows."""
        ...


@dataclass(frozen=True)
class TwinBeltOptions:
    """Which of the twin's packages to deliver: those of the `days` days before day `until` of the belt, counted from 0."""

    params: "BeltParams"
    seed: int
    days: int
    until: int


def open_belt(spec: str, twin: TwinBeltOptions) -> BeltSource:
    """The line that `spec` names; `twin` is used by the spec "belt" alone. Errors: SourceError for a folder without its tables."""
    if spec == TWIN:
        from sources.twin.belt.source import TwinBelt

        return TwinBelt(twin.params, twin.seed, days=twin.days, until=twin.until)
    from sources.belt_folder import FolderBelt

    folder = Path(spec).expanduser()
    if not folder.is_dir():
        raise SourceError(f"packing line {spec!r} is neither `{TWIN}` nor a folder; give {FORMS}")
    return FolderBelt(folder)
