# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""The files of a folder: which table each holds, whether it can be read at all, and its columns as text."""

import codecs
import csv
import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from sources.base import SourceError
from sources.folder_settings import SETTINGS_FILE, FolderSettings

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_DELIMITERS = (",", ";", "\t", "|")
_CHUNK_BYTES = 1 << 20
_NO_HIVE = "hive_partitioning = false"  # a folder called a=b adds no column a


@dataclass(frozen=True)
class TableFile:
    """A table's file or sub-folder of files: column names in order and the SQL that reads every column as text."""

    table: str
    path: Path
    columns: tuple[str, ...]
    sql: str


@dataclass(frozen=True)
class _Reading:
    """How files of one shape are read: column names and types in order, and the SQL around the list of files."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    head: str
    tail: str

    def sql(self, paths: list[Path]) -> str:
        return f"{self.head}[{', '.join(text(str(path)) for path in paths)}]{self.tail}"


def find_files(folder: Path, tables: Iterable[str]) -> dict[str, Path]:
    """Table -> its one file, or its sub-folder of files, such as one a day.

    Errors: SourceError for no folder, a file that is no table, or two places for one table. Sub-folders that are named
    as no table are left alone.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give a folder of CSV or Parquet files")
    known = sorted(tables)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = "" if path.is_dir() else _suffix(path)
        if suffix is None or (path.is_dir() and path.name.lower() not in known):
            continue
        table = path.name[: len(path.name) - len(suffix)].lower()
        if table not in known:
            raise SourceError(f"{path}: no table is called {table!r}; rename or move it (tables: {', '.join(known)})")
        if table in found:
            raise SourceError(f"{folder}: {found[table].name} and {path.name} both hold the table {table}; keep one")
        found[table] = path
    if not found:
        raise SourceError(f"{folder}: no CSV or Parquet file; at least sales.csv or sales.parquet is needed")
    return found


def open_table(con: duckdb.DuckDBPyConnection, table: str, path: Path, settings: FolderSettings) -> TableFile:
    """Columns and reading SQL of a file, or of all files of a sub-folder, which must agree on their columns.

    Errors: SourceError naming the file that is empty, unreadable, wrongly encoded or of other columns.
    """
    readings: dict[_Reading, list[Path]] = {}
    for file in _files_of(path):
        readings.setdefault(_reading(con, file, settings), []).append(file)
    columns = next(iter(readings)).columns
    for reading, files in readings.items():
        if {name.lower() for name in reading.columns} != {name.lower() for name in columns}:
            raise SourceError(
                f"{files[0]}: has the columns {', '.join(reading.columns)}, but the files before it have "
                f"{', '.join(columns)}; give all files of {table} the same columns"
            )
    if len(readings) == 1:
        return TableFile(table, path, columns, next(r.sql(files) for r, files in readings.items()))
    cells = ", ".join(f"{quoted(name)} AS {quoted(name)}" for name in columns)
    parts = [f"SELECT {cells} FROM ({reading.sql(files)})" for reading, files in readings.items()]
    return TableFile(table, path, columns, " UNION ALL ".join(parts))


def fingerprint_of(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 (hex) over names and contents of the files, those of sub-folders too, and of the folder's settings."""
    digest = hashlib.sha256()
    stated = folder / SETTINGS_FILE
    single = {file for path in files for file in _files_of(path)}
    for path in sorted({*single, *([stated] if stated.is_file() else [])}):
        digest.update(f"{path.relative_to(folder).as_posix()}\x00{path.stat().st_size}\x00".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def trimmed(column: str) -> str:
    """SQL of a text column without outer blanks, empty as null."""
    return f"nullif(trim({quoted(column)}), '')"


def _suffix(path: Path) -> str | None:
    """The suffix of a data file; None for any other file, and for hidden ones."""
    if path.name.startswith((".", "_")):
        return None
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def _files_of(path: Path) -> list[Path]:
    """The file itself, or the data files of a sub-folder by name."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and _suffix(file) is not None)
    if not files:
        raise SourceError(
            f"{path}: no CSV or Parquet file in this sub-folder; put the table's files there or remove it"
        )
    return files


def _reading(con: duckdb.DuckDBPyConnection, path: Path, settings: FolderSettings) -> _Reading:
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty (0 bytes); write a header and rows, or remove it")
    return _parquet(con, path) if path.name.lower().endswith(".parquet") else _csv(path, settings)


def _parquet(con: duckdb.DuckDBPyConnection, path: Path) -> _Reading:
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM read_parquet({text(str(path))}, {_NO_HIVE})").fetchall()
    except duckdb.Error as error:
        raise SourceError(f"{path}: not readable as Parquet ({error}); write it again") from error
    types = {str(row[0]): str(row[1]) for row in described}
    parts = [f"{_as_text(name, types[name])} AS {quoted(name.strip())}" for name in types]
    names = _named(path, [name.strip() for name in types])
    head = f"SELECT {', '.join(parts)} FROM read_parquet("
    return _Reading(names, tuple(types.values()), head, f", {_NO_HIVE})")


def _as_text(name: str, kind: str) -> str:
    column = quoted(name)
    if kind in ("DOUBLE", "FLOAT"):  # a key 17.0 that a null turned into a float is the key 17 of the other tables
        whole = f"{column} % 1 = 0 AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
    return f"{column}::VARCHAR"


def _csv(path: Path, settings: FolderSettings) -> _Reading:
    _check_encoding(path, settings.encoding)
    with _open(path) as stream, codecs.getreader(_codec(settings.encoding))(stream) as lines:
        header = lines.readline()
    if not header.strip():
        raise SourceError(f"{path}: the first line is empty; it must hold the column names")
    delimiter = settings.delimiter or max(_DELIMITERS, key=lambda mark: len(_split(header, mark)))
    names = _named(path, [name.strip() for name in _split(header, delimiter)])
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in names)
    # Everything is said here, nothing sniffed: the same file always reads the same way.
    return _Reading(
        names,
        ("VARCHAR",) * len(names),
        "SELECT * FROM read_csv(",
        f", auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {text(delimiter)}, quote = '\"', escape = '\"', nullstr = '', encoding = {text(settings.encoding)}, "
        f"compression = '{'gzip' if path.suffix.lower() == '.gz' else 'none'}', {_NO_HIVE})",
    )


def _split(header: str, delimiter: str) -> list[str]:
    return next(csv.reader([header.rstrip("\r\n")], delimiter=delimiter), [])


def _named(path: Path, names: list[str]) -> tuple[str, ...]:
    if "" in names:
        raise SourceError(f"{path}: column {names.index('') + 1} has no name (a saved row index?); name or remove it")
    folded = [name.lower() for name in names]
    twice = sorted({name for name in names if folded.count(name.lower()) > 1})
    if twice:
        raise SourceError(
            f"{path}: column names {', '.join(twice)} occur twice (case does not tell them apart); rename them"
        )
    return tuple(names)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _check_encoding(path: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(_codec(encoding))()
    lines = 1
    try:
        with _open(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                lines += decoder.decode(chunk).count("\n")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        broken = error.object[error.start]
        line = lines + bytes(error.object[: error.start]).count(b"\n")
        raise SourceError(
            f"{path}, line {line}: byte 0x{broken:02X} is not {encoding}; save the file as UTF-8, or state "
            f"`encoding: latin-1` (or utf-16) in {SETTINGS_FILE}"
        ) from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise SourceError(f"{path}: not readable as gzip ({error}); compress it again") from error
