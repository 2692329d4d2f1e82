"""A receipt as a QR code that needs no other: entry, path and signature packed tightly, the root left out as it follows from them.

Written in capitals and digits (base 32), which a code holds at 5.5 bits each and every scanner reads alike.
"""

import base64
import binascii
import struct
import zlib
from pathlib import Path

from serving.settlement.entries import LONGEST_ENTRY
from serving.settlement.notes import Head, head_note, signature_of
from serving.settlement.receipts import LONGEST_PATH, Receipt
from serving.settlement.tree import HASH_BYTES, ProofError, leaf_hash, root_from

PREFIX = "STORELOOP1:"
MOST_CHARACTERS = 4_296  # of capitals and digits in the largest code (ISO/IEC 18004, version 40-L)
SUFFIXES = (".png", ".svg")
_TOP = struct.Struct(
    ">QQHBBB"
)  # number, size; bytes of entry; hashes of the path; bytes of the ledger's name and of its time
_SIGNATURE_BYTES = 68  # a key's name in 4, its signature in 64
_MODULE_PIXELS = 4


def pack(receipt: Receipt) -> str:
    """All of a receipt but signatures of others than its ledger; ProofError where no code could hold it."""
    head, signature = signature_of(receipt.note)
    entry = zlib.compress(receipt.content, 9)
    if len(entry) > MOST_CHARACTERS:
        raise _too_long(len(entry))
    name, when = head.origin.encode(), head.when.encode()
    if max(len(name), len(when)) > 255:
        raise ProofError(f"name or time of ledger {head.origin!r} has over 255 bytes: hand out the JSON instead")
    top = _TOP.pack(receipt.number, head.size, len(entry), len(receipt.path), len(name), len(when))
    packed = b"".join((top, entry, *receipt.path, name, when, signature))
    text = PREFIX + base64.b32encode(packed).decode().rstrip("=")
    if len(text) > MOST_CHARACTERS:
        raise _too_long(len(text))
    return text


def unpack(text: str) -> Receipt:
    """Reads what `pack` wrote; ProofError where it is none. What it says is to be checked like any receipt."""
    packed = _bytes(text.strip())
    try:
        number, size, entry, steps, name, when = _TOP.unpack_from(packed)
    except struct.error as error:
        raise ProofError(f"the code ends after {len(packed)} bytes: scan it again") from error
    whole = _TOP.size + entry + steps * HASH_BYTES + name + when + _SIGNATURE_BYTES
    if len(packed) != whole or steps > LONGEST_PATH:
        raise ProofError(f"the code has {len(packed)} bytes and speaks of {whole}: scan it again")
    rest = memoryview(packed)[_TOP.size :]
    content = _inflated(bytes(rest[:entry]))
    rest = rest[entry:]
    path = tuple(bytes(rest[at : at + HASH_BYTES]) for at in range(0, steps * HASH_BYTES, HASH_BYTES))
    rest = rest[steps * HASH_BYTES :]
    try:
        origin, told = str(rest[:name], "utf-8"), str(rest[name : name + when], "utf-8")
    except UnicodeDecodeError as error:
        raise ProofError(f"name or time in the code is no text ({error.reason}): scan it again") from error
    root = root_from(leaf_hash(content), number, size, path)
    note = head_note(Head(origin, size, root, told), bytes(rest[name + when :]))
    return Receipt(content, number, path, note)


def draw(receipt: Receipt, file: Path) -> int:
    """Draw the code as .png or .svg; how many modules it is wide. ProofError where it fits none, or for another kind of file."""
    import segno

    if file.suffix not in SUFFIXES:
        raise ProofError(f"{file} ends in {file.suffix!r}: name a file that ends in {' or '.join(SUFFIXES)}")
    code = segno.make_qr(pack(receipt), error="L")
    code.save(str(file), scale=_MODULE_PIXELS)
    return int(code.symbol_size(border=0)[0])


def _bytes(text: str) -> bytes:
    if not text.startswith(PREFIX) or len(text) > MOST_CHARACTERS:
        raise ProofError(f"{text[:40]!r} is no code of a receipt: it begins with {PREFIX}")
    letters = text.removeprefix(PREFIX)
    try:
        return base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error as error:
        raise ProofError(f"the code is no base 32 ({error}): scan it again") from error


def _inflated(entry: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(entry, LONGEST_ENTRY + 1)
    except zlib.error as error:
        raise ProofError(f"the entry in the code cannot be read ({error}): scan it again") from error
    if len(content) > LONGEST_ENTRY or not inflater.eof or inflater.unused_data:
        raise ProofError(f"the entry in the code is not whole, or has over {LONGEST_ENTRY:,} bytes: scan it again")
    return content


def _too_long(length: int) -> ProofError:
    return ProofError(
        f"the receipt takes {length:,} characters, a QR code holds {MOST_CHARACTERS:,}: hand out the JSON instead"
    )
