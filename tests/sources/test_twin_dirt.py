"""Dirt is where the truth says, everywhere it says, and nowhere else: re-derived from the rows themselves."""

import numpy as np
import pandas as pd
import pytest

from sources.twin.params import DirtParams, TwinParams
from sources.twin.source import TwinSource
from sources.twin.tables import mojibake

KINDS = tuple(DirtParams.model_fields)
KEY = ["transaction_id", "line_no"]
TINY = TwinParams.size("tiny").model_copy(update={"days": 150})
PARAMS = TINY.model_copy(update={"dirt": DirtParams(**dict.fromkeys(KINDS, 0.02))})
CLEAN = PARAMS.model_copy(update={"dirt": DirtParams(**dict.fromkeys(KINDS, 0.0))})


@pytest.fixture(scope="module")
def source() -> TwinSource:
    return TwinSource(PARAMS, 13)


@pytest.fixture(scope="module")
def observed(source: TwinSource) -> pd.DataFrame:
    return source.read("transactions").read_pandas()


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    return TwinSource(CLEAN, 13).read("transactions").read_pandas()


@pytest.fixture(scope="module")
def dirt(source: TwinSource) -> pd.DataFrame:
    return source.truth().dirt.to_pandas()


def keys(rows: pd.DataFrame) -> set[tuple[str, int]]:
    return set(rows[KEY].itertuples(index=False, name=None))


def listed(dirt: pd.DataFrame, kind: str) -> set[tuple[str, int]]:
    return keys(dirt[dirt.kind == kind])


def repaired(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def test_faults_found_by_rules_alone_are_exactly_those_listed(
    source: TwinSource, observed: pd.DataFrame, dirt: pd.DataFrame
) -> None:
    lists = source.read("products").read_pandas().set_index("product_id").list_price
    missing = observed.store_id.isna() | observed.product_id.isna()
    ratio = observed.unit_price / observed.product_id.map(lists)
    sales = keys(observed[observed.kind == "sale"])
    originals = observed[["original_transaction_id", "original_line_no"]].itertuples(index=False, name=None)
    found = {
        "duplicates": observed.duplicated(KEY),
        "missing_keys": missing,
        "impossible_prices": ~ratio.between(0.05, 5) & ~missing,
        "late_rows": observed.recorded_at - observed.sold_at > pd.Timedelta(days=7),
        "wrong_encodings": observed.receipt_text.map(repaired) != observed.receipt_text,
        "unmatched_returns": (observed.kind == "return") & ~pd.Series([o in sales for o in originals]),
    }
    for kind, rows in found.items():
        assert keys(observed[rows]) == listed(dirt, kind), kind
        assert rows.sum() == (dirt.kind == kind).sum(), kind


def test_a_row_has_one_fault_at_most(dirt: pd.DataFrame) -> None:
    assert not dirt.duplicated([*KEY, "copy"]).any()
    assert not dirt.duplicated(KEY).any()
    assert set(dirt.table) == {"transactions"}
    assert (dirt["copy"] == 1).equals(dirt.kind == "duplicates")


def test_rates_are_as_asked(clean: pd.DataFrame, dirt: pd.DataFrame) -> None:
    sales = (clean.kind == "sale").sum()
    for kind in KINDS:
        assert (dirt.kind == kind).sum() / sales == pytest.approx(0.02, abs=4 * np.sqrt(0.02 / sales)), kind
    plain = TwinSource(TINY, 13).truth().dirt.to_pandas()
    for kind, rate in TINY.dirt.model_dump().items():
        assert (plain.kind == kind).sum() / sales == pytest.approx(rate, abs=4 * np.sqrt(rate / sales)), kind
        assert rate < 0.02


def test_all_else_is_as_in_the_clean_world(observed: pd.DataFrame, clean: pd.DataFrame, dirt: pd.DataFrame) -> None:
    assert not clean.duplicated(KEY).any()
    added = dirt.kind.isin(["duplicates", "unmatched_returns"]).sum()
    assert len(observed) == len(clean) + added
    rows = observed.drop_duplicates(KEY).set_index(KEY)
    invented = pd.MultiIndex.from_tuples(sorted(listed(dirt, "unmatched_returns")), names=KEY)
    rows = rows[~rows.index.isin(invented)].sort_index()
    before = clean.set_index(KEY).sort_index()
    assert rows.index.equals(before.index)
    expected = {
        "store_id": set(),
        "product_id": set(),
        "unit_price": set(),
        "recorded_at": set(),
        "receipt_text": set(),
    }
    for record in dirt.dropna(subset="column").itertuples():
        expected[record.column].add((record.transaction_id, record.line_no))
    for column in rows:
        changed = (rows[column] != before[column]) & ~(rows[column].isna() & before[column].isna())
        assert set(rows.index[changed]) == expected.get(column, set()), column


def test_copies_are_exact(observed: pd.DataFrame, dirt: pd.DataFrame) -> None:
    copied = observed[observed.duplicated(KEY, keep=False)]
    assert len(copied) == 2 * (dirt.kind == "duplicates").sum()
    assert copied.duplicated(keep=False).all()


def test_the_truth_tells_the_value_before(clean: pd.DataFrame, dirt: pd.DataFrame) -> None:
    before = clean.set_index(KEY).sort_index()
    hit = dirt.dropna(subset="column")
    assert set(hit.kind) == {"missing_keys", "impossible_prices", "late_rows", "wrong_encodings"}
    for record in hit.itertuples():
        value = before.at[(record.transaction_id, record.line_no), record.column]
        if record.column == "unit_price":
            assert float(record.original_value) == value
        elif record.column == "recorded_at":
            assert pd.Timestamp(record.original_value) == value
        else:
            assert record.original_value == value


def test_prices_are_impossible_in_three_ways(observed: pd.DataFrame, clean: pd.DataFrame, dirt: pd.DataFrame) -> None:
    index = pd.MultiIndex.from_tuples(sorted(listed(dirt, "impossible_prices")), names=KEY)
    wrong = observed.drop_duplicates(KEY).set_index(KEY).unit_price.loc[index]
    right = clean.set_index(KEY).unit_price.loc[index]
    assert set(np.round(wrong / right)) == {-1.0, 0.0, 1000.0}


def test_mojibake_is_printable_and_repairable(clean: pd.DataFrame) -> None:
    assert mojibake("Crème") == "CrÃ¨me"
    for text in clean.receipt_text.unique():
        broken = mojibake(text)
        assert broken != text
        assert broken.replace("\N{NO-BREAK SPACE}", " ").replace("\N{SOFT HYPHEN}", "-").isprintable()
        assert repaired(broken) == text
        # Reading the bytes as Windows-1252, as many programs do, gives the same text.
        assert text.encode().decode("cp1252") == broken


def test_one_kinds_rate_moves_no_other_kind() -> None:
    days = {"days": 40}
    base = TwinSource(PARAMS.model_copy(update=days), 13).truth().dirt.to_pandas()
    more = DirtParams(**{**dict.fromkeys(KINDS, 0.02), "duplicates": 0.15})
    other = TwinSource(PARAMS.model_copy(update={**days, "dirt": more}), 13).truth().dirt.to_pandas()
    for kind in KINDS[1:]:
        assert listed(base, kind) == listed(other, kind)
    assert listed(base, "duplicates") < listed(other, "duplicates")
    assert len(listed(other, "duplicates")) > 5 * len(listed(base, "duplicates"))


def test_a_genuine_return_always_finds_a_clean_sale(observed: pd.DataFrame, dirt: pd.DataFrame) -> None:
    returns = observed[(observed.kind == "return")]
    genuine = returns[
        [k not in listed(dirt, "unmatched_returns") for k in returns[KEY].itertuples(index=False, name=None)]
    ]
    originals = set(zip(genuine.original_transaction_id, genuine.original_line_no.astype(int), strict=True))
    assert len(originals) == len(genuine) > 100
    assert originals <= keys(observed[observed.kind == "sale"]) - keys(dirt)
