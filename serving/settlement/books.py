"""What the tills of a processor have written down: their documents, how far they have read, and what they brought about that may
not have gone out yet. Kept in one change with each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from serving.settlement.database import Change, Database

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS till_epochs (epoch BIGINT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS till_positions (partition BIGINT PRIMARY KEY, following BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS till_documents (shop TEXT NOT NULL, key TEXT COLLATE BINARY NOT NULL, text TEXT NOT NULL, "
    "PRIMARY KEY (shop, key))",
    "CREATE TABLE IF NOT EXISTS till_outputs (place BIGINT PRIMARY KEY, partition BIGINT NOT NULL, position BIGINT NOT NULL, "
    "kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL)",
)
_AFTER_COLON = ";"  # the character that follows it: keys of one kind lie between


class Overtaken(RuntimeError):
    """Another processor has begun on these books: this one is to end."""


@dataclass(frozen=True)
class Kept:
    """An output that the event at `offset` of `partition` brought about; outputs are numbered by `place` in their order."""

    place: int
    partition: int
    offset: int
    to: str
    key: str
    body: str


@dataclass(frozen=True)
class Step:
    """What one step changes: by partition the first offset that it has not read, documents by (shop, key), None to forget one, and
    what it brought about."""

    positions: Mapping[int, int]
    documents: Mapping[tuple[str, str], str | None]
    outputs: Sequence[Kept]


class Books:
    """See the module; every call raises DatabaseError where the database refuses. It has the tables of `SCHEMA`. Questions say COLLATE
    again: in tables made before the schema said it, keys are ordered as a language does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self) -> int:
        """Begin to write: an epoch, which ends all that were given before."""
        with self._database.writing() as change:
            ((epoch,),) = change.execute(
                "INSERT INTO till_epochs SELECT coalesce(max(epoch), 0) + 1 FROM till_epochs RETURNING epoch"
            )
            return int(epoch)

    def check(self, epoch: int) -> None:
        """Overtaken where another has entered since."""
        with self._database.writing() as change:
            _check(change, epoch)

    def positions(self) -> Mapping[int, int]:
        """By partition, the first offset that no till has applied; partitions of which none was, are left out."""
        return dict(self._database.ask("SELECT partition, following FROM till_positions"))

    def begin(self, shop: str) -> Mapping[str, str]:
        """All documents of a shop but its visits."""
        return dict(
            self._database.ask(
                "SELECT key, text FROM till_documents WHERE shop = ? AND (key COLLATE BINARY < ? OR key COLLATE BINARY >= ?)",
                (shop, "visit:", "visit" + _AFTER_COLON),
            )
        )

    def of_kind(self, shop: str, kind: str) -> Mapping[str, str]:
        """Documents whose keys begin with `kind` and a colon."""
        return dict(
            self._database.ask(
                "SELECT key, text FROM till_documents WHERE shop = ? AND key COLLATE BINARY >= ? AND key COLLATE BINARY < ? "
                "ORDER BY key COLLATE BINARY",
                (shop, f"{kind}:", kind + _AFTER_COLON),
            )
        )

    def find(self, shop: str, key: str) -> str | None:
        """One document."""
        rows = self._database.ask("SELECT text FROM till_documents WHERE shop = ? AND key = ?", (shop, key))
        return str(rows[0][0]) if rows else None

    def shops(self) -> list[str]:
        """Those that have any."""
        return [shop for (shop,) in self._database.ask("SELECT DISTINCT shop FROM till_documents ORDER BY shop")]

    def waiting(self) -> Sequence[Kept]:
        """Outputs that are not known to have gone out, in their order."""
        rows = self._database.ask("SELECT place, partition, position, kind, key, body FROM till_outputs ORDER BY place")
        return [Kept(*row) for row in rows]

    def keep(self, step: Step, epoch: int) -> None:
        """All of it or nothing. Overtaken where another has entered since."""
        with self._database.writing() as change:
            _check(change, epoch)
            change.execute_all(
                "INSERT INTO till_positions VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET following = excluded.following",
                step.positions.items(),
            )
            change.execute_all(
                "INSERT INTO till_documents VALUES (?, ?, ?) ON CONFLICT (shop, key) DO UPDATE SET text = excluded.text",
                [(*key, text) for key, text in step.documents.items() if text is not None],
            )
            change.execute_all(
                "DELETE FROM till_documents WHERE shop = ? AND key = ?",
                [key for key, text in step.documents.items() if text is None],
            )
            change.execute_all("INSERT INTO till_outputs VALUES (?, ?, ?, ?, ?, ?)", map(astuple, step.outputs))

    def sent(self, place: int, epoch: int) -> None:
        """Outputs up to `place` have gone out. Overtaken where another has entered since: places of its outputs begin anew, and this
        would forget them."""
        with self._database.writing() as change:
            _check(change, epoch)
            change.execute("DELETE FROM till_outputs WHERE place <= ?", (place,))


def _check(change: Change, epoch: int) -> None:
    ((newest,),) = change.execute("SELECT max(epoch) FROM till_epochs")
    if newest != epoch:
        raise Overtaken("another processor writes into these books by now: this one ends")
