"""Casting raw rows to their contract and tagging each with a class: the first half of cleaning, for any table.

A tagged table has the contract's columns and four more:

- `_row_key` str: content hash of the raw row, a dash and its occurrence number; the same however cleaning changes.
- `_class` str: `row`, `duplicate`, `matched_cancellation` or `non_merchandise`; every raw row is in exactly one.
- `_repaired` str null: what cleaning mended, e.g. "receipt_text: encoding".
- `_type_errors` str null: raw values that are not of the contract's type ("units=three; ..."); their cells are null.

Nothing is dropped here: what a row is worth is the gate's business.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import ibis
from ibis.expr import datatypes as dt

ROW: Final = "row"
DUPLICATE: Final = "duplicate"
MATCHED_CANCELLATION: Final = "matched_cancellation"
NON_MERCHANDISE: Final = "non_merchandise"
CLASSES: Final = (ROW, DUPLICATE, MATCHED_CANCELLATION, NON_MERCHANDISE)
TAGS: Final = ("_row_key", "_class", "_repaired", "_type_errors")

IBIS_TYPES: Final[Mapping[str, str]] = {
    "str": "string",
    "int": "int64",
    "float": "float64",
    "bool": "boolean",
    "date": "date",
    "ts": "timestamp(6)",
    "bytes": "binary",
}
_TRUE: Final = ("true", "t", "yes", "y", "1", "1.0")
_FALSE: Final = ("false", "f", "no", "n", "0", "0.0")
_FIELD: Final = "\x1f"  # no text file holds these two, so two different rows never spell the same content
_NULL: Final = "\x1e"


class ColumnLike(Protocol):
    """What cleaning needs to know of a contract's column."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class ContractLike(Protocol):
    """What cleaning needs to know of a contract."""

    @property
    def columns(self) -> Sequence[ColumnLike]: ...
    @property
    def primary_key(self) -> Sequence[str]: ...


def tag_table(raw: ibis.Table, contract: ContractLike) -> ibis.Table:
    """Casts a raw table to its contract and tags exact duplicates.

    Columns of the contract that `raw` lacks come out as typed nulls, columns of `raw` outside the contract are left
    behind. Text is trimmed and empty text is null. A value that cannot be cast becomes null and is spelt in
    `_type_errors`. Of identical raw rows the first is `row`, the others `duplicate`.
    """
    return tag_numbered(number_rows(raw, contract), contract)


def tag_dated(raw: ibis.Table, contract: ContractLike, *, day: str, of: str) -> ibis.Table:
    """As `tag_table`, with the column `day`, which is not delivered, filled in as the day of the timestamp `of`."""
    tagged = tag_table(raw, contract)
    return tagged.mutate(**{day: tagged[of].date()}).select(*tagged.columns)


def number_rows(raw: ibis.Table, contract: ContractLike) -> ibis.Table:
    """The first step of `tag_table`: raw rows with `_content` and `_occurrence`, see `number_duplicates`."""
    names = delivered_columns(raw, contract)
    return number_duplicates(raw, names, [name for name in contract.primary_key if name in names])


def tag_numbered(keyed: ibis.Table, contract: ContractLike, *, keep: Sequence[str] = ()) -> ibis.Table:
    """The second step of `tag_table`. Columns in `keep` come out as they are, behind the tags."""
    delivered = [column for column in contract.columns if column.name in keyed.columns]
    values = {column.name: cast_value(keyed[column.name], column.type) for column in delivered}
    missing = {c.name: ibis.null(IBIS_TYPES[c.type]) for c in contract.columns if c.name not in values}
    return keyed.select(
        **{column.name: values.get(column.name, missing.get(column.name)) for column in contract.columns},
        _row_key=keyed["_content"] + "-" + keyed["_occurrence"].cast("string"),
        _class=ibis.ifelse(keyed["_occurrence"] > 1, DUPLICATE, ROW),
        _repaired=ibis.null("string"),
        _type_errors=_type_errors(keyed, values),
        **{name: keyed[name] for name in keep},
    )


def delivered_columns(raw: ibis.Table, contract: ContractLike) -> list[str]:
    """Columns of the contract that `raw` has: what its rows are named by. ValueError if there is none."""
    names = [column.name for column in contract.columns if column.name in raw.columns]
    if not names:
        wanted = ", ".join(column.name for column in contract.columns)
        raise ValueError(
            f"the raw table has none of the contract's columns ({wanted}); it has {', '.join(raw.columns)}"
        )
    return names


def content_hash(raw: ibis.Table, columns: Sequence[str]) -> ibis.Value:
    """MD5 (hex) over the text of the columns: names a row by what was delivered. No secret is guarded by it."""
    parts = [raw[name].cast("string").fill_null(_NULL) for name in columns]
    text = parts[0] if len(parts) == 1 else ibis.literal(_FIELD).join(parts)
    return text.hexdigest("md5")


def number_duplicates(raw: ibis.Table, columns: Sequence[str], key: Sequence[str]) -> ibis.Table:
    """Adds `_content` (hash of `columns`) and `_occurrence` (1, 2, ... within equal content).

    `key` is any subset of `columns`. Equal rows have equal keys, so that only rows with a repeated key, few in sound
    data, pass through the window; grouping by the key is several times cheaper than a window over all rows.
    """
    if not key:
        return _numbered(raw, columns)
    # A number stands for the key: to group by it costs about half. Two keys with one number only pass the window for nothing.
    mark = ibis.struct({name: raw[name] for name in key}).hash()
    counted = raw.select(_mark=mark).group_by("_mark").agg(_rows=ibis._.count())
    repeated = counted.filter(counted["_rows"] > 1).group_by("_mark").agg()
    # Two names for one table: joined under one, it would be written into the query, and worked out, twice.
    here, there = repeated.select(_once="_mark"), repeated.select(_again="_mark")
    single = raw.anti_join(here, [(mark, here["_once"])])
    single = single.mutate(_content=content_hash(single, columns), _occurrence=ibis.literal(1, "int64"))
    return single.union(_numbered(raw.semi_join(there, [(mark, there["_again"])]), columns))


def _numbered(raw: ibis.Table, columns: Sequence[str]) -> ibis.Table:
    hashed = raw.mutate(_content=content_hash(raw, columns))
    window = ibis.window(group_by="_content", order_by="_content")
    return hashed.mutate(_occurrence=(ibis.row_number().over(window) + 1).cast("int64"))


def cast_value(value: ibis.Value, kind: str) -> ibis.Value:
    """`value` as the contract's type `kind` (a key of `IBIS_TYPES`); null where it is none."""
    if kind not in IBIS_TYPES:
        raise ValueError(f"contract type {kind!r} is unknown; use one of {', '.join(IBIS_TYPES)}")
    source = value.type()
    if isinstance(source, dt.String):
        value = _trimmed(value)
    casts = {
        "str": _as_text, "int": _as_integer, "float": _as_float, "bool": _as_flag, "date": _as_date, "bytes": _as_bytes,
    }  # fmt: skip
    return casts[kind](value) if kind in casts else value.try_cast(IBIS_TYPES[kind])


def _trimmed(text: Any) -> ibis.Value:
    """Without white space at either end; null where nothing is left.

    First and last character tell at a third of the cost that there is nothing to trim: white space sorts before "!".
    The last one by way of `reverse`, which DuckDB asks of each entry of a dictionary, and `right` of each row.
    """
    bare = (text >= "!") & (text.reverse() >= "!")
    return bare.ifelse(text, text.strip().nullif(""))


def _as_text(value: ibis.Value) -> ibis.Value:
    if isinstance(value.type(), dt.Floating):  # 17850.0 is the id 17850 that a null once turned into a float
        return (value % 1 == 0).ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
    return value.cast("string")


def _as_integer(value: ibis.Value) -> ibis.Value:
    if isinstance(value.type(), dt.Integer):
        return value.cast("int64")
    number = value.try_cast("float64")  # engines round '12.7' to 13 when asked for an integer: 12.7 units are an error
    return (number % 1 == 0).ifelse(number.try_cast("int64"), ibis.null("int64"))


def _as_float(value: ibis.Value) -> ibis.Value:
    number = value.try_cast("float64")
    return (number.isnan() | number.isinf()).ifelse(ibis.null("float64"), number)


def _as_bytes(value: ibis.Value) -> ibis.Value:
    return value if isinstance(value.type(), dt.Binary) else ibis.null("binary")  # text is no file


def _as_flag(value: ibis.Value) -> ibis.Value:
    if isinstance(value.type(), dt.Boolean):
        return value
    text = value.cast("string").lower()
    return ibis.cases((text.isin(_TRUE), True), (text.isin(_FALSE), False), else_=ibis.null("boolean"))


def _as_date(value: ibis.Value) -> ibis.Value:
    if isinstance(value.type(), dt.String):
        return value.try_cast("timestamp(6)").date()
    return value.cast("date")


def _type_errors(raw: ibis.Table, values: Mapping[str, ibis.Value]) -> ibis.Value:
    """Text naming every delivered value that its cast lost; null where none was."""
    lost = {name: _lost(raw[name], value) for name, value in values.items() if _may_lose(raw[name], value)}
    if not lost:
        return ibis.null("string")
    spelt = [hit.ifelse(f"{name}=" + raw[name].cast("string"), ibis.null("string")) for name, hit in lost.items()]
    return ibis.literal("; ").join(spelt).nullif("")


def _may_lose(raw: ibis.Value, value: ibis.Value) -> bool:
    return not isinstance(value.type(), dt.String) and raw.type() != value.type()


def _lost(raw: ibis.Value, value: ibis.Value) -> ibis.Value:
    given = raw.strip() != "" if isinstance(raw.type(), dt.String) else raw.notnull()
    return given.fill_null(False) & value.isnull()
