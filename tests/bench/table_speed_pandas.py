"""The peer of `table_speed_ours.py`: the same steps in vectorised pandas, with strings in Arrow and no loop over rows.

A process of its own (`python table_speed_pandas.py RAW OUT [lines]`). It knows what the twin delivers (columns that are
typed already, returns that name their sale), has no row keys to make, and cleans the columns alone that features read.
Prints seconds of each step and the peak of memory; with `lines`, then writes the tagged lines too, to be compared.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from peak_memory import peak_bytes

from features.cleaning_text import encoding_repairs

READ = ("transaction_id", "store_id", "product_id", "kind", "original_transaction_id")


def run(raw: Path, out: Path, *, lines: bool) -> dict[str, float]:
    """Features in `out/features`; seconds of each step, and peak memory in GB. `lines`: tagged lines in `out/lines`."""
    began = time.perf_counter()
    for folder in ("lines", "features"):
        (out / folder).mkdir(parents=True)
    files = [pd.read_parquet(file, dtype_backend="pyarrow") for file in sorted(raw.glob("*.parquet"))]
    table = tagged(pd.concat(files, ignore_index=True))
    cleaned = time.perf_counter()
    features(totals(table)).to_parquet(out / "features" / "all.parquet", index=False)
    ended = time.perf_counter()
    peak = peak_bytes() / 1e9
    if lines:
        del files
        mended(table).to_parquet(out / "lines" / "all.parquet", index=False)
    steps = {"clean": cleaned - began, "features": ended - cleaned}
    return {**steps, "seconds": ended - began, "peak_gb": peak}


def tagged(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines with class, day and bookings of returns."""
    lines["_class"] = np.where(lines.duplicated(), "duplicate", "row")
    for column in READ:
        lines[column] = _trimmed(lines[column])
    booked = matches(lines)
    lines["cancelled_units"] = _units(booked, len(lines))
    same_day = booked[booked.sold_at.dt.floor("D") == booked.sold_at_sale.dt.floor("D")]
    lines["cancelled_same_day_units"] = _units(same_day, len(lines))
    lines["sold_on"] = lines.sold_at.dt.floor("D")
    lines.loc[booked.row, "_class"] = "matched_cancellation"
    return lines


def mended(lines: pd.DataFrame) -> pd.DataFrame:
    """The columns that no feature reads: customers and texts."""
    for column in ("customer_id", "receipt_text"):
        lines[column] = _trimmed(lines[column])
    texts = lines.receipt_text.drop_duplicates()
    repairs = encoding_repairs(texts[texts.str.contains("[^ -~]", na=False)].tolist())
    wrong = lines.receipt_text.isin(list(repairs))
    lines.loc[wrong, "receipt_text"] = lines.loc[wrong, "receipt_text"].map(repairs).astype(lines.receipt_text.dtype)
    return lines


def _trimmed(texts: pd.Series) -> pd.Series:
    trimmed = texts.str.strip()
    return trimmed.mask(trimmed == "")


def matches(lines: pd.DataFrame) -> pd.DataFrame:
    """Returns (`row`) with the sales (`row_sale`) that they take back, earlier returns first while units last."""
    good = lines[(lines["_class"] == "row") & (lines.units > 0) & lines.sold_at.notna()].reset_index(names="row")
    returns = good.loc[
        (good.kind == "return") & good.original_transaction_id.notna(),
        ["row", "original_transaction_id", "original_line_no", "product_id", "sold_at", "units"],
    ]
    sales = good.loc[
        (good.kind == "sale") & good.product_id.notna(),
        ["row", "transaction_id", "line_no", "product_id", "sold_at", "units"],
    ]
    pairs = returns.merge(
        sales,
        left_on=["original_transaction_id", "original_line_no", "product_id"],
        right_on=["transaction_id", "line_no", "product_id"],
        suffixes=("", "_sale"),
    )
    pairs = pairs[(pairs.sold_at_sale <= pairs.sold_at) & (pairs.units_sale >= pairs.units)].sort_values("sold_at")
    return pairs[pairs.groupby("row_sale").units.cumsum() <= pairs.units_sale]


def _units(booked: pd.DataFrame, rows: int) -> pd.Series:
    return booked.groupby("row_sale").units.sum().reindex(range(rows), fill_value=0).astype("int64")


def totals(lines: pd.DataFrame) -> pd.DataFrame:
    """Units kept and money taken per store, product and day."""
    sold = lines[
        (lines["_class"] == "row") & (lines.kind == "sale") & lines.store_id.notna() & lines.product_id.notna()
    ]
    net = (sold.units - sold.cancelled_same_day_units).astype("float64")
    sold = sold[["store_id", "product_id", "sold_on"]].assign(units=net, revenue=net * sold.unit_price)
    sold["sold_on"] = sold.sold_on.astype("datetime64[us]")
    return sold.groupby(["store_id", "product_id", "sold_on"], as_index=False)[["units", "revenue"]].sum()


def dense(sold: pd.DataFrame, keys: list[str], last_day: pd.Timestamp) -> pd.DataFrame:
    """One row a day from the first sale of a series to the last day of all; `y` is 0 where nothing was sold."""
    spans = sold.groupby(keys, as_index=False).agg(first=("sold_on", "min"))
    lengths = (last_day - spans["first"]).dt.days + 1
    grid = spans.loc[spans.index.repeat(lengths)].reset_index(drop=True)
    position = np.arange(len(grid)) - np.repeat((lengths.cumsum() - lengths).to_numpy(), lengths)
    grid["day"] = grid["first"] + pd.to_timedelta(position, unit="D")
    grid["age_days"] = position.astype("float64")
    grid = grid.merge(sold, how="left", left_on=[*keys, "day"], right_on=[*keys, "sold_on"])
    return grid.assign(y=grid.units.fillna(0.0)).drop(columns=["first", "sold_on"])


def features(sold: pd.DataFrame) -> pd.DataFrame:
    """The 20 features of each series at the end of each of its days."""
    last_day = sold.sold_on.max()
    cells = dense(sold, ["store_id", "product_id"], last_day)
    cells["series_id"] = cells.store_id + "/" + cells.product_id
    # Integer keys: groups of strings would be looked up anew for every window.
    cells["series"] = cells.groupby(["store_id", "product_id"], sort=False).ngroup()

    def last(column: pd.Series, days: int) -> pd.core.window.rolling.RollingGroupby:
        return column.groupby(cells.series, sort=False).rolling(days, min_periods=1)

    by_series = cells.groupby("series", sort=False)
    made = {f"lag_{days}": by_series.y.shift(days) for days in (1, 7, 14, 28)}
    week, month = last(cells.y, 7), last(cells.y, 28)
    made |= {"level_7": week.mean(), "level_28": month.mean(), "std_7": week.std(), "std_28": month.std()}
    made |= {"max_28": month.max(), "min_28": month.min()}
    made["zero_share_28"] = last((cells.y == 0).astype("float64"), 28).mean()
    made["mean_nonzero_28"] = last(cells.y.where(cells.y != 0), 28).mean()
    made = {name: pd.Series(column.to_numpy(), index=cells.index) for name, column in made.items()}
    made["trend_7_28"] = made["level_7"] / made["level_28"].where(made["level_28"] != 0)
    sale = cells.day.where(cells.y > 0).groupby(cells.series, sort=False).ffill()
    made["days_since_sale"] = (cells.day - sale).dt.days.astype("float64")
    made["age_days"] = cells.age_days
    weekday = cells.y.groupby([cells.series, cells.day.dt.dayofweek], sort=False).rolling(4, min_periods=1).mean()
    made["weekday_level_4"] = weekday.droplevel([0, 1]).sort_index()
    units = last(cells.units, 28).sum().to_numpy()
    price = pd.Series(last(cells.revenue, 28).sum().to_numpy(), index=cells.index) / np.where(units == 0, np.nan, units)
    made["price_28"] = price
    made["price_position_28"] = cells.revenue / cells.units.where(cells.units != 0) / price.where(price != 0)
    for name, key in {"store_level_7": "store_id", "product_level_7": "product_id"}.items():
        group = dense(sold.groupby([key, "sold_on"], as_index=False).units.sum(), [key], last_day)
        group[name] = group.groupby(key).y.rolling(7, min_periods=1).mean().to_numpy()
        made[name] = cells[[key, "day"]].merge(group[[key, "day", name]], how="left", on=[key, "day"])[name]
    return pd.DataFrame({"series_id": cells.series_id, "day": cells.day, **made})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), lines="lines" in sys.argv)) + "\n")
