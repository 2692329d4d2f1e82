"""The lived days of one world on disk: blocks of days by table, and the state after the last day to go on from."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any
from zipfile import BadZipFile

import pyarrow as pa

from data_checks.durable import locked, replace_file
from sources.base import SourceError
from sources.twin.dirt import RECORD_SCHEMA
from sources.twin.state_file import load_state, save_state
from sources.twin.table_files import TableWriter, dated, dated_schema, read_dated
from sources.twin.tables import DAILY_TABLES, SCHEMAS
from sources.twin.truth import EXPECTED_SCHEMA
from sources.twin.world import World, WorldState

TRUTH_SCHEMAS = {"expected_demand": EXPECTED_SCHEMA, "dirt": RECORD_SCHEMA}
_SPOOLED = {name: SCHEMAS[name] for name in DAILY_TABLES} | TRUTH_SCHEMAS
_ROWS_A_BLOCK = 5_000_000  # of all tables together: what a kill can cost at most
_SMALL_ROWS = 50_000  # a last block below this is written again with the new days, so that single days pile up no files
_INDEX = "index.json"


@dataclass(frozen=True)
class Block:
    """One file: the rows of a table on the days first, ..., end - 1, counted from the world's start."""

    file: str
    first: int
    end: int
    rows: int


@dataclass(frozen=True)
class _Index:
    """What counts in the folder; a file that it does not name is left over and means nothing."""

    days: int
    state: str
    blocks: Mapping[str, tuple[Block, ...]]

    @classmethod
    def parsed(cls, path: Path) -> "_Index":
        try:
            said = json.loads(path.read_text())
            blocks = {table: tuple(Block(**block) for block in said["blocks"][table]) for table in _SPOOLED}
            return cls(int(said["days"]), str(said["state"]), blocks)
        except FileNotFoundError:
            return cls(0, "", dict.fromkeys(_SPOOLED, ()))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path}: {error!r}; delete {path.parent}, and its days are lived again") from error

    def written(self, path: Path) -> None:
        blocks = {table: [asdict(block) for block in listed] for table, listed in self.blocks.items()}
        path.write_text(json.dumps({"days": self.days, "state": self.state, "blocks": blocks}, indent=1))

    def files(self) -> set[str]:
        return {_INDEX, self.state, *(block.file for listed in self.blocks.values() for block in listed)}


class Spool:
    """Daily tables and truth of one world, in `folder`, which nothing else uses.

    The index is replaced in one step once all it names is on the disk: a kill leaves the old count of days or the new
    one. One process lives on at a time, while others wait or read the days that are there.
    """

    def __init__(self, folder: Path, start: date) -> None:
        self._folder = folder
        self._start = start

    def days(self) -> int:
        """Number of days that were lived."""
        return _Index.parsed(self._folder / _INDEX).days

    def live(self, days: int, world: Callable[[], World]) -> None:
        """See to it that the first `days` days are there; `world` builds the world, which must reach that far."""
        if self.days() >= days:
            return
        with locked(self._folder):
            index = _Index.parsed(self._folder / _INDEX)
            if index.days >= days:
                return
            living = world()
            if index.days:
                living.restore(self._state(index))
            while index.days < days:
                index = self._live_a_block(living, index, days)

    def read(self, table: str, days: Collection[date]) -> pa.RecordBatchReader:
        """Rows of lived days with the last column `_day`, in order of the days."""
        wanted = frozenset(days)
        files = self._opened(table, {(day - self._start).days for day in wanted})
        batches: Iterator[pa.RecordBatch] = (batch for file in files for batch in read_dated(file, wanted))
        return pa.RecordBatchReader.from_batches(dated_schema(_SPOOLED[table]), batches)

    def _state(self, index: _Index) -> WorldState:
        path = self._folder / index.state
        try:
            return load_state(path)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise SourceError(f"{path}: {error!r}; delete {self._folder}, and its days are lived again") from error

    def _opened(self, table: str, wanted: set[int]) -> list[pa.NativeFile]:
        """Files that hold wanted days, open, so that a merge by another process does not take them away."""
        before: _Index | None = None
        while True:
            index = _Index.parsed(self._folder / _INDEX)
            blocks = [b for b in index.blocks[table] if not wanted.isdisjoint(range(b.first, b.end))]
            try:
                return [pa.OSFile(str(self._folder / block.file)) for block in blocks]
            except FileNotFoundError as error:
                if index == before:
                    raise SourceError(f"{error}; delete {self._folder}, and its days are lived again") from error
                before = index

    def _live_a_block(self, world: World, index: _Index, days: int) -> _Index:
        """Live to day `days` or until the block is full, whichever comes first, and return the new index."""
        home = self._folder / f"{index.days:05d}"
        rmtree(home, ignore_errors=True)  # the lock falls with its process, so this was left by a killed one
        home.mkdir()
        writers = {table: TableWriter(home / f"{table}.part", dated_schema(s)) for table, s in _SPOOLED.items()}
        kept = {table: self._take_over_small(index.blocks[table], writers[table]) for table in _SPOOLED}
        done, rows = index.days, 0
        while done < days and rows < _ROWS_A_BLOCK:
            day = self._start + timedelta(days=done)
            for table, made in _lived(world, day).items():
                writers[table].add(dated(made, day))
                rows += made.num_rows
            done += 1
        blocks: dict[str, tuple[Block, ...]] = {}
        for table, writer in writers.items():
            first = kept[table][-1].end if kept[table] else 0
            block = Block(f"{home.name}/{table}.parquet", first, done, writer.close())
            _put(home / f"{table}.part", self._folder / block.file)
            blocks[table] = (*kept[table], block)
        replace_file(home / "state.npz", lambda draft: save_state(draft, world.state))
        new = _Index(done, f"{home.name}/state.npz", blocks)
        replace_file(self._folder / _INDEX, new.written)
        self._clear(new)
        return new

    def _take_over_small(self, blocks: tuple[Block, ...], writer: TableWriter) -> tuple[Block, ...]:
        """Copy a small last block to `writer`; returns the blocks that stay."""
        if not blocks or blocks[-1].rows >= _SMALL_ROWS:
            return blocks
        last = blocks[-1]
        days = {self._start + timedelta(days=n) for n in range(last.first, last.end)}
        for batch in read_dated(pa.OSFile(str(self._folder / last.file)), days):
            writer.add(pa.Table.from_batches([batch]))
        return blocks[:-1]

    def _clear(self, index: _Index) -> None:
        """Remove what the index no longer names."""
        named = index.files()
        for home in (entry for entry in self._folder.iterdir() if entry.is_dir()):
            for file in home.iterdir():
                if f"{home.name}/{file.name}" not in named:
                    file.unlink()
            if not any(home.iterdir()):
                home.rmdir()


def _lived(world: World, day: date) -> dict[str, Any]:
    made = world.advance(day)
    assert world.outcome is not None
    return made | {"expected_demand": world.outcome.expected_rows, "dirt": world.outcome.dirt_rows}


def _put(draft: Path, path: Path) -> None:
    """Move a finished file to its name once it is on the disk."""
    replace_file(path, draft.replace)
