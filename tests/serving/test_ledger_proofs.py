"""Proofs: the tree of the standard, signed heads, and receipts on paper and screen that no changed byte survives."""

import base64
import json
import time
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_case import KEY, ORIGIN, PUBLIC, STRANGER, WHEN, bill, bills, opened
from pymerkle import InmemoryTree

from serving.settlement.entries import Entry
from serving.settlement.ledger_reader import LedgerError
from serving.settlement.notes import Head, NoteError, TrustedKey, open_head, sign_head
from serving.settlement.receipt_codes import PREFIX, draw, pack, unpack
from serving.settlement.receipts import Receipt
from serving.settlement.tree import Frontier, ProofError, Tree, check_consistency, check_inclusion, leaf_hash


class Listed:
    """Leaves in memory."""

    def __init__(self, count: int) -> None:
        self._hashes = [leaf_hash(str(number).encode()) for number in range(count)]

    def size(self) -> int:
        return len(self._hashes)

    def hashes(self, first: int, count: int) -> list[bytes]:
        return self._hashes[first - 1 : first - 1 + count]


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Receipt:
    """Of bill 123 among 300."""
    ledger = opened(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    ledger.append(bills(0, 300))
    with pytest.raises(LedgerError, match="no entry 'bill-300'"):
        ledger.receipt("bill-300")
    return ledger.receipt("bill-123")


def test_roots_are_those_of_the_standard() -> None:
    """Values worked by hand from RFC 6962: the tree of three leaves is node(node(0, 1), 2)."""
    zero, one, two = Listed(3).hashes(1, 3)
    assert Frontier().root() == sha256(b"").digest()
    assert Tree(Listed(1)).root(1) == zero == sha256(b"\x000").digest()
    left = sha256(b"\x01" + zero + one).digest()
    assert Tree(Listed(2)).root(2) == left
    assert Tree(Listed(3)).root(3) == sha256(b"\x01" + left + two).digest()
    assert Tree(Listed(3)).inclusion(1, 3) == [one, two] and Tree(Listed(3)).inclusion(3, 3) == [left]
    assert Tree(Listed(3)).consistency(1, 3) == [one, two] and Tree(Listed(3)).consistency(2, 3) == [two]


def test_every_proof_of_small_trees_holds_and_no_changed_one_does() -> None:
    for size in range(1, 34):
        tree = Tree(Listed(size))
        peer = InmemoryTree("sha256")
        peer.append_entries([str(number).encode() for number in range(size)])
        assert tree.root(size) == peer.get_root() == tree.frontier(size).root()
        for number in range(1, size + 1):
            path, leaf = tree.inclusion(number, size), Listed(size).hashes(number, 1)[0]
            check_inclusion(leaf, number, size, path, tree.root(size))
            for wrong in ([*path, leaf], path[:-1], [leaf, *path[1:]]):
                if wrong != path:
                    with pytest.raises(ProofError):
                        check_inclusion(leaf, number, size, wrong, tree.root(size))
            with pytest.raises(ProofError):
                check_inclusion(leaf, number % size + 1 if size > 1 else 2, size, path, tree.root(size))
            old, steps = tree.root(number), tree.consistency(number, size)
            check_consistency(number, size, steps, old, tree.root(size))
            for wrong in ([*steps, leaf], steps[:-1] if steps else [leaf]):
                with pytest.raises(ProofError):
                    check_consistency(number, size, wrong, old, tree.root(size))
            with pytest.raises(ProofError):
                check_consistency(number, size, steps, leaf_hash(b"x"), tree.root(size))


@pytest.mark.parametrize("size", [127, 128, 129, 255, 256, 1_000, 4_096, 5_555])
def test_large_trees_are_those_of_the_peer_and_go_on_from_anywhere(size: int) -> None:
    peer = InmemoryTree("sha256")
    peer.append_entries([str(number).encode() for number in range(size)])
    tree, frontier = Tree(Listed(size)), Tree(Listed(size)).frontier(size // 3)
    for leaf in Listed(size).hashes(size // 3 + 1, size):
        frontier.push(leaf)
    assert tree.root(size) == frontier.root() == peer.get_root()
    for number in (1, size // 2, size):
        assert tree.inclusion(number, size) == peer.prove_inclusion(number, size).path[1:]


def test_a_head_is_read_by_its_key_and_name_alone() -> None:
    head = Head(ORIGIN, 7, bytes(32), WHEN)
    note = sign_head(head, KEY)
    assert open_head(note, PUBLIC, ORIGIN) == head
    assert open_head(note + "— witness.example AAAA\n", PUBLIC) == head
    for changed, told in [
        (note.replace("\n7\n", "\n8\n"), "it was changed"),
        (note.replace(WHEN, "2026-11-30T12:00:01Z"), "it was changed"),
        (note.replace("\n7\n", "\n07\n"), "no number"),
        (note.replace("AAA=\n", "AAB=\n", 1), "bits that say nothing"),
        (note.replace("\n\n", "\n"), "no signed head"),
        (note.replace("— shop-1", "— shop-2"), "nobody holding a trusted key"),
        ("x" * 20_000, "at most"),
    ]:
        assert changed != note
        with pytest.raises(NoteError, match=told):
            open_head(changed, PUBLIC)
    with pytest.raises(NoteError, match="nobody holding a trusted key"):
        open_head(note, STRANGER.public_key())
    with pytest.raises(NoteError, match=r"'shop-2\.example' is asked"):
        open_head(note, PUBLIC, "shop-2.example")
    assert open_head(note, [TrustedKey(PUBLIC, 7, 7)]) == head
    for first, last in ((8, None), (1, 6)):
        with pytest.raises(NoteError, match="it is not to be trusted"):
            open_head(note, [TrustedKey(PUBLIC, first, last)])


def test_a_receipt_is_checked_with_the_public_key_alone(receipt: Receipt) -> None:
    text = receipt.to_json()
    read = Receipt.from_json(text)
    assert read == receipt and read.check(PUBLIC, ORIGIN).size == 300 and read.entry == bill(123)
    for old, new in (('"cents": 199', '"cents": 198'), ("index 123", "index 124")):
        with pytest.raises(ProofError, match="is not in this ledger"):
            Receipt.from_json(text.replace(old, new)).check(PUBLIC, ORIGIN)
    for broken in (
        "",
        "[]",
        "{}",
        text[:-9],
        json.dumps({"entry": {}, "proof": ""}),
        text.replace("index 123", "index x"),
    ):
        with pytest.raises(ValueError):
            Receipt.from_json(broken)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(place=st.floats(0, 1, exclude_max=True), letter=st.characters(min_codepoint=32, max_codepoint=126))
def test_no_changed_letter_of_a_receipt_proves_another(receipt: Receipt, place: float, letter: str) -> None:
    """Of the JSON and of the code alike: it is refused, or says the same."""
    for text, read in ((receipt.to_json(), Receipt.from_json), (pack(receipt), unpack)):
        at = int(place * len(text))
        try:
            found = read(text[:at] + letter + text[at + 1 :])
            found.check(PUBLIC, ORIGIN)
        except ValueError:
            continue
        assert (found.content, found.number) == (receipt.content, receipt.number)


def test_a_receipt_is_verified_within_a_millisecond(receipt: Receipt) -> None:
    """Measured about 0.15 ms; processor time, so that a busy machine does not decide."""
    text = receipt.to_json()

    began = time.thread_time()
    for _ in range(200):
        Receipt.from_json(text).check(PUBLIC, ORIGIN)
    assert (time.thread_time() - began) / 200 <= 0.001


def test_a_code_holds_the_whole_receipt_and_a_camera_reads_it(receipt: Receipt, tmp_path: Path) -> None:
    modules = draw(receipt, tmp_path / "receipt.png")
    draw(receipt, tmp_path / "receipt.svg")
    picture = cv2.imread(str(tmp_path / "receipt.png"))
    assert picture.shape[0] == 4 * (modules + 8) and (tmp_path / "receipt.svg").read_text().startswith("<?xml")
    text, *_ = cv2.QRCodeDetector().detectAndDecode(picture)
    assert unpack(text) == receipt and unpack(text).check(PUBLIC, ORIGIN).size == 300
    with pytest.raises(ProofError, match=r"ends in '\.pdf'"):
        draw(receipt, tmp_path / "receipt.pdf")


def test_a_long_bill_in_a_huge_ledger_fits_a_code() -> None:
    """Forty lines, a thousand million entries; what fits none says so."""
    random = np.random.default_rng(1)
    lines = [
        {
            "product": f"P{random.integers(99_999):05}",
            "count": int(random.integers(1, 9)),
            "cents": int(random.integers(5_000)),
        }
        for _ in range(40)
    ]
    size = (1 << 30) - 1
    path = tuple(random.bytes(32) for _ in range(30))

    def made(entry: Entry) -> Receipt:
        return Receipt(entry.content(), 1, path, sign_head(Head(ORIGIN, size, bytes(32), WHEN), KEY))

    receipt = made(Entry("bill-1", "bill", {"lines": lines}))
    assert len(pack(receipt)) < 3_200 and unpack(pack(receipt)).path == path
    with pytest.raises(ProofError, match=r"a QR code holds 4,296: hand out the JSON"):
        pack(made(Entry("bill-1", "bill", {"noise": base64.b64encode(random.bytes(3_000)).decode()})))


@pytest.mark.parametrize(
    "text", ["", "STORELOOP1:", PREFIX + "AAAA", PREFIX + "lower", "https://example", PREFIX + "A" * 4_280]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        unpack(text)


def test_a_code_that_swells_is_refused(receipt: Receipt) -> None:
    """A megabyte of spaces deflates to a thousand bytes: no reader is to hold it."""
    import zlib

    packed = base64.b32decode((letters := pack(receipt).removeprefix(PREFIX)) + "=" * (-len(letters) % 8))
    old, new = zlib.compress(receipt.content, 9), zlib.compress(b" " * 1_000_000, 9)
    top = packed[:16] + len(new).to_bytes(2, "big") + packed[18:21]
    swollen = PREFIX + base64.b32encode(top + new + packed[21 + len(old) :]).decode().rstrip("=")
    with pytest.raises(ProofError, match="over 65,536 bytes"):
        unpack(swollen)
