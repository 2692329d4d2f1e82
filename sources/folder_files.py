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


@dataclass(frozen=True)
class TableFile:
    """One file: the table it holds, its column names in order and the SQL that reads every column as text."""

    table: str
    path: Path
    columns: tuple[str, ...]
    sql: str


def find_files(folder: Path, tables: Iterable[str]) -> dict[str, Path]:
    """Table -> its one file. Errors: SourceError for no folder, a file that is no table, or two files for one table."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give a folder of CSV or Parquet files")
    known = sorted(tables)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
        if suffix is None or path.name.startswith((".", "_")):
            continue
        table = path.name[: -len(suffix)].lower()
        if table not in known:
            raise SourceError(f"{path}: no table is called {table!r}; rename or move it (tables: {', '.join(known)})")
        if table in found:
            raise SourceError(f"{folder}: {found[table].name} and {path.name} both hold the table {table}; keep one")
        found[table] = path
    if not found:
        raise SourceError(f"{folder}: no CSV or Parquet file; at least sales.csv or sales.parquet is needed")
    return found


def open_table(con: duckdb.DuckDBPyConnection, table: str, path: Path, settings: FolderSettings) -> TableFile:
    """The file's columns and reading SQL. Errors: SourceError for an empty, unreadable or wrongly encoded file."""
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty (0 bytes); write a header and rows, or remove it")
    if path.name.lower().endswith(".parquet"):
        return _parquet(con, table, path)
    return _csv(table, path, settings)


def fingerprint_of(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 (hex) over names and contents of the files and of the folder's settings."""
    digest = hashlib.sha256()
    stated = folder / SETTINGS_FILE
    for path in sorted({*files, *([stated] if stated.is_file() else [])}):
        digest.update(f"{path.name}\x00{path.stat().st_size}\x00".encode())
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


def _parquet(con: duckdb.DuckDBPyConnection, table: str, path: Path) -> TableFile:
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM read_parquet({text(str(path))})").fetchall()
    except duckdb.Error as error:
        raise SourceError(f"{path}: not readable as Parquet ({error}); write it again") from error
    types = {str(row[0]): str(row[1]) for row in described}
    parts = [f"{_as_text(name, types[name])} AS {quoted(name.strip())}" for name in types]
    names = _named(path, [name.strip() for name in types])
    return TableFile(table, path, names, f"SELECT {', '.join(parts)} FROM read_parquet({text(str(path))})")


def _as_text(name: str, kind: str) -> str:
    column = quoted(name)
    if kind in ("DOUBLE", "FLOAT"):  # a key 17.0 that a null turned into a float is the key 17 of the other tables
        whole = f"{column} % 1 = 0 AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
    return f"{column}::VARCHAR"


def _csv(table: str, path: Path, settings: FolderSettings) -> TableFile:
    _check_encoding(path, settings.encoding)
    with _open(path) as stream, codecs.getreader(_codec(settings.encoding))(stream) as lines:
        header = lines.readline()
    if not header.strip():
        raise SourceError(f"{path}: the first line is empty; it must hold the column names")
    delimiter = settings.delimiter or max(_DELIMITERS, key=lambda mark: len(_split(header, mark)))
    names = _named(path, [name.strip() for name in _split(header, delimiter)])
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in names)
    # Everything is said here, nothing sniffed: the same file always reads the same way.
    sql = (
        f"SELECT * FROM read_csv({text(str(path))}, auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {text(delimiter)}, quote = '\"', escape = '\"', nullstr = '', encoding = {text(settings.encoding)}, "
        f"compression = '{'gzip' if path.suffix.lower() == '.gz' else 'none'}')"
    )
    return TableFile(table, path, names, sql)


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
