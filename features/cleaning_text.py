"""Mending text whose UTF-8 bytes were once read as Latin-1 or Windows-1252 ("CafÃ©" for "Café")."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import ibis

_TIMES_GARBLED: Final = 3  # text that passed through three wrong readers; nothing real goes beyond


def repaired_text(text: str) -> str:
    """`text` with wrong readings undone, or `text` itself where no lossless round trip exists.

    All of the text must turn into bytes and back into valid UTF-8: legitimate accents ("Café", "£20") never do.
    """
    for _ in range(_TIMES_GARBLED):
        earlier = _undo_one_reading(text)
        if earlier is None:
            break
        text = earlier
    return text


def encoding_repairs(texts: Iterable[str | None]) -> dict[str, str]:
    """Wrong text -> right text, for those of the (distinct) texts that can be mended."""
    pairs = ((text, repaired_text(text)) for text in texts if text)
    return {text: mended for text, mended in pairs if mended != text}


def suspicious_texts(column: Any) -> ibis.Table:
    """Distinct values of a text column beyond printable ASCII (column `text`): few, to be run through Python once."""
    texts = column.as_table().select(text=column.strip()).distinct()
    return texts.filter(texts.text.re_search("[^ -~]"))


def repair_column(tagged: ibis.Table, column: str, repairs: Mapping[str, str]) -> ibis.Table:
    """Replaces wrong texts of one column of a tagged table and says so in `_repaired` ("receipt_text: encoding")."""
    if not repairs:
        return tagged
    fixes = ibis.memtable({"wrong_text": list(repairs), "right_text": list(repairs.values())})
    joined = tagged.left_join(fixes, tagged[column] == fixes.wrong_text)
    note = joined.right_text.notnull().ifelse(f"{column}: encoding", ibis.null("string"))
    return joined.mutate(
        **{column: joined.right_text.fill_null(joined[column])},
        _repaired=ibis.literal("; ").join([joined["_repaired"], note]).nullif(""),
    ).drop("wrong_text", "right_text")


def _undo_one_reading(text: str) -> str | None:
    if text.isascii():
        return None
    try:
        earlier = b"".join(_byte(character) for character in text).decode("utf-8")
    except UnicodeError:
        return None
    return earlier if earlier != text else None


def _byte(character: str) -> bytes:
    """The byte that a Windows-1252 or Latin-1 reader shows as `character` (five bytes have no Windows-1252 sign)."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
