"""Good rows on their way into a clean table: of a table cut by days the days made anew, of any other one all of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.catalogue import SPECS

if TYPE_CHECKING:
    from data_checks.contracts import Contract
    from data_checks.lake import Lake, TableVersion
    from data_checks.lake_days import DayUpdate


class CleanWriter(Protocol):
    """Takes blocks of good rows; readers see none of them before `commit`."""

    def put(self, good: Any, made_from: Mapping[str, str]) -> None:
        """Rows of the days that `made_from` names."""
        ...

    def commit(self) -> "TableVersion":
        """Let readers see them."""
        ...


@contextmanager
def clean_writer(lake: "Lake", contract: "Contract", made_from: Mapping[str, str]) -> Iterator[CleanWriter]:
    """A writer of `clean/<table>`; `made_from` names every day that the table will have."""
    partition_by = SPECS[contract.name].partition_by
    if partition_by is None:
        yield _WholeWriter(lake, contract)
        return
    with lake.update("clean", contract.name, partition_by=partition_by, sort_by=contract.primary_key) as update:
        yield _DayWriter(update, made_from)


class _WholeWriter:
    def __init__(self, lake: "Lake", contract: "Contract") -> None:
        self._lake, self._contract = lake, contract
        self._good: Any = None
        self._made_from = ""

    def put(self, good: Any, made_from: Mapping[str, str]) -> None:
        self._good, (self._made_from,) = good, made_from.values()

    def commit(self) -> "TableVersion":
        return self._lake.write(
            "clean", self._contract.name, self._good, fingerprint=self._made_from, sort_by=self._contract.primary_key
        )


class _DayWriter:
    def __init__(self, update: "DayUpdate", made_from: Mapping[str, str]) -> None:
        self._update, self._made_from = update, made_from

    def put(self, good: Any, made_from: Mapping[str, str]) -> None:
        self._update.put(good, made_from=made_from)

    def commit(self) -> "TableVersion":
        return self._update.commit("by day", days=self._made_from.keys())
