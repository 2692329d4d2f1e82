"""Books in a file and in a database that orders texts as people do: what belongs to a kind is found by bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Postgres, postgres_server

from serving.settlement.books import SCHEMA, Books, Step
from serving.settlement.database import Database, PostgresDatabase, SqliteDatabase

_OLD = [each.replace(" COLLATE BINARY", "") for each in SCHEMA]  # as it was before bytes were asked for


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.services)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> list[Database]:
    """Of this schema, and of the one before, opened by this one."""
    if request.param == "file":
        opened: list[Database] = [
            SqliteDatabase(tmp_path / f"{n}.sqlite", each) for n, each in enumerate((SCHEMA, _OLD))
        ]
        return [opened[0], SqliteDatabase(tmp_path / "1.sqlite", SCHEMA)]
    running = request.getfixturevalue("server")
    old, new = running.database(), running.database()
    PostgresDatabase(old, _OLD)
    return [PostgresDatabase(place, SCHEMA) for place in (new, old)]


def test_what_is_of_a_kind_is_found_whatever_the_order_of_texts(made: list[Database]) -> None:
    texts = {
        "review:s1:v:milk": "a",
        "review:s1:v:Tea": "b",
        "reviews": "c",
        "visit:v": "d",
        "visitor": "e",
        "latest": "f",
    }
    for database in made:
        books = Books(database)
        books.keep(Step({}, {("s1", key): text for key, text in texts.items()}, []), books.enter())
        assert list(books.of_kind("s1", "review").values()) == ["b", "a"], "in the order of bytes"
        assert sorted(books.begin("s1").values()) == ["a", "b", "c", "e", "f"]
