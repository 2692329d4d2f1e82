"""HetRec 2011 Last.fm: how often each listener played each artist, and who is whose friend.

The folder holds `user_artists.dat`, `user_friends.dat` and, where wanted, `artists.dat`, tab-separated as published.
"""

import io
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from sources.base import SourceError
from sources.folder_files import fingerprint_of

# Table -> its file and, by column of the contract, the file's column.
_FILES: Final = {
    "events": ("user_artists.dat", {"customer_id": "userID", "item_id": "artistID", "amount": "weight"}),
    "friendships": ("user_friends.dat", {"customer_id": "userID", "friend_id": "friendID"}),
    "item_attributes": ("artists.dat", {"item_id": "id", "value": "name"}),
}
# No play has a time or a place in an order: all of a listener's are taken as one moment.
_CONSTANTS: Final = {
    "events": {"ordinal": "0", "kind": "play"},
    "friendships": {},
    "item_attributes": {"attribute": "name"},
}


class LastfmSource:
    """Raw `events` (kind `play`, amount = times played), `friendships` in both directions, artists' names.

    Errors: SourceError naming file, column and remedy.
    """

    def __init__(self, folder: Path | str) -> None:
        self.name = "lastfm"
        self.frequency: Literal["daily", "weekly"] = "daily"
        self._folder = Path(folder)
        self.tables = frozenset(table for table, (name, _) in _FILES.items() if (self._folder / name).is_file())
        if missing := [_FILES[table][0] for table in ("events", "friendships") if table not in self.tables]:
            raise SourceError(f"{self._folder}: {', '.join(missing)} is missing; it belongs to the download")

    def read(self, table: str) -> pa.RecordBatchReader:
        """Raw rows of one table, all text."""
        from pyarrow import csv

        if table not in self.tables:
            raise SourceError(f"lastfm has no table {table!r}; it has {', '.join(sorted(self.tables))}")
        name, columns = _FILES[table]
        path = self._folder / name
        # Names of artists hold quotation marks, and a few bytes that are no UTF-8.
        content = path.read_bytes().decode("utf-8", errors="replace").encode()
        header = content.split(b"\n", 1)[0].decode().strip().split("\t")
        if missing := [column for column in columns.values() if column not in header]:
            raise SourceError(f"{path}: column {', '.join(missing)} is missing; use the published file")
        try:
            rows = csv.read_csv(
                io.BytesIO(content),
                parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), include_columns=list(columns.values())
                ),
            ).rename_columns(list(columns))
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path}: {error}; use the published file") from error
        for column, value in _CONSTANTS[table].items():
            rows = rows.append_column(column, pa.repeat(pa.scalar(value), rows.num_rows))
        return rows.to_reader()

    def fingerprint(self) -> str:
        """SHA-256 over the contents of the files."""
        return fingerprint_of(self._folder, [self._folder / _FILES[table][0] for table in sorted(self.tables)])
