"""The twin's belt as a packing line: the packages of its last days as tables, and, apart from them, how grave each defect is."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sources.base import SourceError
from sources.twin.belt.belt import Belt
from sources.twin.belt.params import BeltParams
from sources.twin.belt.tables import approved_samples, inspections, package_id

if TYPE_CHECKING:
    import pyarrow as pa

GENERATOR_VERSION = 1  # raise it with every change that alters a picture or a reading


class TwinBelt:
    """Packages of days `until - days` to `until - 1` of a belt, day 0 its first; days before it are left out."""

    name = "belt"

    def __init__(self, params: BeltParams, seed: int, *, days: int, until: int) -> None:
        if days < 1 or until < 1:
            raise SourceError(f"belt of {days} days until day {until}: both must be at least 1")
        self._belt = Belt(params, seed)
        a_day = params.batch_size * params.batches_per_day
        self._first, last = max(0, until - days) * a_day, until * a_day
        self._count = last - self._first

    def read(self, table: str) -> "pa.Table":
        """Rows of one table; SourceError for another than the belt's two."""
        makers = {"approved_samples": approved_samples, "inspections": inspections}
        if table not in makers:
            raise SourceError(f"belt: no table {table!r}; it has {', '.join(makers)}")
        return makers[table](self._belt, self._first, self._count)

    def fingerprint(self) -> str:
        """Digest of parameters, seed, days and generator version."""
        params = self._belt.params.model_dump_json()
        text = f"{GENERATOR_VERSION}/{self._belt.seed}/{self._first}/{self._count}/{params}"
        return hashlib.sha256(text.encode()).hexdigest()

    def severities(self) -> Mapping[str, float] | None:
        """Severity by package."""
        told = self._belt.truth(self._first, self._count).severity.tolist()
        return {package_id(self._first + number): value for number, value in enumerate(told)}
