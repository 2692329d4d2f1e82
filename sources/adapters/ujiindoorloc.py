# ruff: noqa: S608 - names of columns pass through quoted(), names of splits are ours: nothing of a file becomes SQL
"""UJIIndoorLoc (Torres-Sospedra et al. 2014): Wi-Fi fingerprints of three university buildings, surveyed and tested months apart.

The folder holds the two files of the official split, `training` and `validation` as Parquet, or `trainingData.csv` and
`validationData.csv` as UCI publishes them. What UCI calls validation is the test. The column `USERID`, a person, is never read.
"""

from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from sources.base import SourceError
from sources.folder_files import TableFile, fingerprint_of, open_table, quoted
from sources.folder_settings import FolderSettings

_FILES: Final = {
    "train": ("training.parquet", "trainingData.csv"),
    "test": ("validation.parquet", "validationData.csv"),
}
_PLACES: Final = ("LONGITUDE", "LATITUDE", "FLOOR", "BUILDINGID")
_COLUMNS: Final = (*_PLACES, "PHONEID", "TIMESTAMP")
_ACCESS_POINT: Final = "WAP"
_UNHEARD: Final = 100  # dBm that no radio receives
_ZONE: Final = "Europe/Madrid"  # of the buildings; times are published as seconds of UTC
_TABLES: Final = ("wifi_fingerprints", "wifi_scans")
_NUMBERED: Final = "SELECT format('{{}}-{{:05d}}', '{split}', row_number() OVER ()) AS scan_id, * FROM ({rows})"
_SCANS: Final = f"""
SELECT scan_id, coalesce(timezone('{_ZONE}', to_timestamp(try_cast("TIMESTAMP" AS BIGINT)))::VARCHAR, "TIMESTAMP") AS at,
    PHONEID AS device_id, '{{split}}' AS split, BUILDINGID AS building, FLOOR AS floor, LONGITUDE AS x, LATITUDE AS y,
    'web_mercator' AS coordinates
FROM ({{rows}})
"""
_HEARD: Final = f"""
SELECT scan_id, access_point, rssi_dbm FROM (
    UNPIVOT (SELECT scan_id, {{columns}} FROM ({{rows}})) ON {{columns}} INTO NAME access_point VALUE rssi_dbm
) WHERE try_cast(rssi_dbm AS DOUBLE) IS DISTINCT FROM {_UNHEARD}
"""


class UjiIndoorLocSource:
    """Raw `wifi_scans` and `wifi_fingerprints` with the official split as `train` and `test`.

    Coordinates stay those of the set, Web Mercator map units (0.766 m on the ground there). Errors: SourceError naming file,
    column and remedy.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = "ujiindoorloc"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self.tables = frozenset(_TABLES)
        self._folder = Path(folder)
        self._paths = {split: _find(self._folder, names) for split, names in _FILES.items()}

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text, in the order of the files."""
        if table not in self.tables:
            raise SourceError(f"ujiindoorloc has no table {table!r}; it has {', '.join(_TABLES)}")
        parts = []
        for split, file in self._files.items():
            rows = _NUMBERED.format(split=split, rows=file.sql)
            columns = ", ".join(quoted(name) for name in _access_points(file))
            parts.append((_SCANS if table == "wifi_scans" else _HEARD).format(split=split, rows=rows, columns=columns))
        try:
            return self._con.cursor().sql(" UNION ALL ".join(parts)).to_arrow_reader(100_000)
        except duckdb.Error as error:
            raise SourceError(f"{self._folder}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the contents of the files."""
        return fingerprint_of(self._folder, self._paths.values())

    @cached_property
    def _files(self) -> dict[str, TableFile]:
        files = {split: open_table(self._con, split, path, FolderSettings()) for split, path in self._paths.items()}
        for file in files.values():
            if missing := [name for name in _COLUMNS if name not in file.columns]:
                raise SourceError(f"{file.path}: column {', '.join(missing)} is missing; use the published file")
            if not _access_points(file):
                raise SourceError(
                    f"{file.path}: no column is an access point ({_ACCESS_POINT}001, ...); use the published file"
                )
        return files

    @cached_property
    def _con(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect()


def _access_points(file: TableFile) -> list[str]:
    return [name for name in file.columns if name.startswith(_ACCESS_POINT)]


def _find(folder: Path, names: tuple[str, ...]) -> Path:
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise SourceError(f"{folder}: {' or '.join(names)} is missing; it belongs to the download")
    return found
