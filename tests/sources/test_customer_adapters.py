"""Adapters of public sets about customers: what is published comes out, no more; what is broken is named."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sources.adapters.amazon_beauty import AmazonBeautySource
from sources.adapters.dunnhumby import DunnhumbySource
from sources.adapters.lastfm import LastfmSource
from sources.base import Source, SourceError
from sources.open import open_source


def rows(source: Source, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = source.read(table).read_all().to_pylist()
    return found


SEQUENCES = "1 10 11 10\n2 12\n"
ATTRIBUTES = {"10": [1, 2], "12": []}


@pytest.fixture(params=["folder", "zip", "folder of one zip"])
def sequences(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    files = {"Toys.txt": SEQUENCES, "Toys_item2attributes.json": json.dumps(ATTRIBUTES)}
    if request.param == "folder":
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        return tmp_path
    with zipfile.ZipFile(tmp_path / "Toys.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return tmp_path / "Toys.zip" if request.param == "zip" else tmp_path


def test_sequences_keep_their_order_and_repeats(sequences: Path) -> None:
    source = open_source(f"amazon_beauty:{sequences}")
    assert isinstance(source, Source) and source.tables == {"events", "item_attributes"}
    assert [tuple(row.values()) for row in rows(source, "events")] == [
        ("1", "10", "0"), ("1", "11", "1"), ("1", "10", "2"), ("2", "12", "0"),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in rows(source, "item_attributes")] == [
        ("10", "attribute", "1"),
        ("10", "attribute", "2"),
    ]
    with pytest.raises(SourceError, match=r"no table 'sales'; it has events, item_attributes"):
        source.read("sales")


def test_sequences_without_attributes_have_events_alone(tmp_path: Path) -> None:
    (tmp_path / "Toys.txt").write_text(SEQUENCES)
    first = AmazonBeautySource(tmp_path)
    assert first.tables == {"events"}
    said = first.fingerprint()
    assert AmazonBeautySource(tmp_path).fingerprint() == said
    (tmp_path / "Toys.txt").write_text(SEQUENCES + "3 10\n")
    assert AmazonBeautySource(tmp_path).fingerprint() != said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 10\n2\n", r"Toys\.txt line 2: customer 2 has no item; remove the line"),
        (b"", r"Toys\.txt: no line"),
        (b"1 \xff\xfe\n", r"Toys\.txt: not UTF-8"),
    ],
)
def test_broken_sequences_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "Toys.txt").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        rows(AmazonBeautySource(tmp_path), "events")


def test_places_without_sequences_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"needs one NAME\.txt of sequences \(found none\)"):
        AmazonBeautySource(tmp_path)
    (tmp_path / "a.txt").write_text(SEQUENCES)
    (tmp_path / "b.txt").write_text(SEQUENCES)
    with pytest.raises(SourceError, match=r"found a\.txt, b\.txt"):
        AmazonBeautySource(tmp_path)
    with pytest.raises(SourceError, match="neither a folder nor a zip file"):
        AmazonBeautySource(tmp_path / "a.txt")
    (tmp_path / "b.txt").unlink()
    (tmp_path / "a_item2attributes.json").write_text("[1]")
    with pytest.raises(SourceError, match="must map each item to a list"):
        rows(AmazonBeautySource(tmp_path), "item_attributes")


@pytest.fixture
def lastfm(tmp_path: Path) -> Path:
    (tmp_path / "user_artists.dat").write_text("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t7\n")
    (tmp_path / "user_friends.dat").write_text("userID\tfriendID\n2\t3\n3\t2\n")
    (tmp_path / "artists.dat").write_bytes(b'id\tname\turl\tpictureURL\n51\tThe "Duran"\tu\tp\n52\tBj\xf6rk\tu\tp\n')
    return tmp_path


def test_plays_friends_and_names(lastfm: Path) -> None:
    source = open_source(f"lastfm:{lastfm}")
    assert source.tables == {"events", "friendships", "item_attributes"}
    assert rows(source, "events") == [
        {"customer_id": "2", "item_id": "51", "amount": "13883", "ordinal": "0", "kind": "play"},
        {"customer_id": "2", "item_id": "52", "amount": "7", "ordinal": "0", "kind": "play"},
    ]
    assert [tuple(row.values()) for row in rows(source, "friendships")] == [("2", "3"), ("3", "2")]
    assert [row["value"] for row in rows(source, "item_attributes")] == ['The "Duran"', "Bj\N{REPLACEMENT CHARACTER}rk"]


def test_lastfm_names_what_is_missing(lastfm: Path) -> None:
    (lastfm / "user_friends.dat").write_text("userID\twho\n2\t3\n")
    with pytest.raises(SourceError, match=r"user_friends\.dat: column friendID is missing"):
        LastfmSource(lastfm).read("friendships")
    (lastfm / "user_friends.dat").unlink()
    with pytest.raises(SourceError, match=r"user_friends\.dat is missing"):
        LastfmSource(lastfm)


TRANSACTIONS = """household_id,store_id,basket_id,product_id,quantity,sales_value,transaction_timestamp
7,1,b1,p1,2,5.00,2017-01-28 19:06:53
7,1,b1,p2,0,0.00,2017-01-28 19:06:53
"""
PRODUCTS = "product_id,department,brand,product_category,product_type\np1,GROCERY,National,ICE,\n"


def test_baskets_are_purchases_at_the_price_of_one(tmp_path: Path) -> None:
    (tmp_path / "transactions_sample.csv").write_text(TRANSACTIONS)
    (tmp_path / "products.csv").write_text(PRODUCTS)
    source = open_source(f"dunnhumby:{tmp_path}")
    first, second = rows(source, "events")
    assert first == {
        "customer_id": "7", "item_id": "p1", "event_time": "2017-01-28 19:06:53", "kind": "purchase", "amount": "2",
        "price": "2.5", "session_id": "b1",
    }  # fmt: skip
    assert second["price"] is None  # none was bought, so that there is no price of one
    told = {(row["attribute"], row["value"]) for row in rows(source, "item_attributes")}
    assert told == {("department", "GROCERY"), ("brand", "National"), ("product_category", "ICE")}
    (tmp_path / "products.csv").write_text("product_id,brand\np1,x\n")
    with pytest.raises(SourceError, match="column department, product_category, product_type is missing"):
        DunnhumbySource(tmp_path).read("item_attributes")
    with pytest.raises(SourceError, match=r"needs transactions\.parquet or transactions_sample\.parquet"):
        DunnhumbySource(tmp_path / "nowhere")


@pytest.mark.realdata
def test_published_sets_have_their_published_sizes(real_data: Path) -> None:
    """Sizes as the publishers state them."""
    beauty = AmazonBeautySource(real_data / "amazon_beauty").read("events").read_all()
    assert beauty.num_rows == 198_502
    assert (len(set(beauty["customer_id"].to_pylist())), len(set(beauty["item_id"].to_pylist()))) == (22_363, 12_101)
    lastfm = LastfmSource(real_data / "lastfm_hetrec2011")
    assert lastfm.read("events").read_all().num_rows == 92_836
    assert lastfm.read("friendships").read_all().num_rows == 25_434
    assert DunnhumbySource(real_data / "dunnhumby").read("events").read_all().num_rows == 75_000
