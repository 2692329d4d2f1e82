"""A row of elasticities: Hass avocados in American cities, beside log-log regressions."""

from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

# Totals of cities that are there by themselves.
TOTALS = frozenset(
    ("TotalUS", "West", "SouthCentral", "Northeast", "Southeast", "GreatLakes", "Midsouth", "Plains", "California")
)
LITERATURE = (0.5, 1.5)


def panel(context: BenchContext) -> Any:
    """The table `price_panel`: a series a city and kind, weekly; a week that is told twice is left out."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc
    from pyarrow import csv

    if context.real_data is None:
        raise ValueError("avocado is a real data set: set STORELOOP_REAL_DATA")
    rows = csv.read_csv(context.real_data / "avocado" / "avocado.csv")
    rows = rows.filter(pc.invert(pc.is_in(rows["region"], pa.array(sorted(TOTALS)))))
    series = pc.binary_join_element_wise(rows["region"], rows["type"], "|")
    day = pc.cast(rows["Date"], pa.date32())
    texts = (each.to_numpy(zero_copy_only=False).astype(str) for each in (series, pc.cast(day, pa.string())))
    key = np.char.add(*texts)
    _, first = np.unique(key, return_index=True)
    told = {"price": rows["AveragePrice"], "units": rows["Total Volume"]}
    table = pa.table({"series_id": series, "group_id": rows["type"], "period_start": day, **told})
    return table.take(pa.array(np.sort(first)))


def _avocado(context: BenchContext) -> BenchResult:
    from models.elasticity.config import Config
    from models.elasticity.data import prepare
    from models.elasticity.evaluate import CHAMPION, LATE, evaluate
    from models.elasticity.peers import EACH, POOLED
    from models.elasticity.train import train

    cfg = Config()
    data = prepare({"price_panel": panel(context)}, cfg)
    trained = train(data, cfg, seed=0)
    report = evaluate(trained.predictor(), data)
    ours = report.value(CHAMPION, "log error")
    peer = min((EACH, POOLED), key=lambda name: report.value(name, "log error"))
    theirs = report.value(peer, "log error")
    kinds = []
    for group, mean, error in zip(data.groups, trained.numbers["mean"], trained.numbers["mean_error"], strict=True):
        logs = ", ".join(f"{report.value(name, 'mean elasticity', group):.2f}" for name in (EACH, POOLED))
        kinds.append(f"{group} {mean:.2f} ± {1.96 * error:.2f} (log-log {logs})")
    low, high = LITERATURE
    fits = all(low <= each <= high for each in trained.numbers["mean"])
    signed, alone = (report.value(name, "dearer sells less") for name in (CHAMPION, EACH))
    other = max(report.value(name, "log error") for name in (EACH, POOLED))
    levels = ", ".join(f"{report.value(LATE.format(name), 'log error'):.4f}" for name in (EACH, POOLED))
    note = (
        f"elasticity {'; '.join(kinds)}; right sign in {signed:.0%} of {len(data.series)} series (log-log each {alone:.0%}); the "
        f"other log-log {other:.4f}; log-log elasticities with our levels {levels}: levels bring the gain; {report.notes[0]}"
    )
    met = ours < theirs and fits and signed == 1.0
    bound = f"below the best log-log; elasticities {low} to {high} as in the literature, all of one sign"
    return BenchResult(ours, "RMSE of log units", peer, theirs, bound, met, note)


def catsup(context: BenchContext) -> Any:
    """The choices of 300 households among four bottles, in the order of the file, which is that of time. (Tuna and Ketchup
    beside it are sorted by what was bought within a household, so nothing can be foretold there.)"""
    import numpy as np
    from pyarrow import csv

    from models.elasticity.choice import as_table, prepare_choices

    if context.real_data is None:
        raise ValueError("the panel is a real data set: set STORELOOP_REAL_DATA")
    rows = csv.read_csv(context.real_data / "choice_panels" / "Catsup.csv")
    items = ("heinz41", "heinz32", "heinz28", "hunts32")

    def columns(kind: str) -> Any:
        return np.stack([rows[f"{kind}.{item}"].to_numpy().astype(float) for item in items], axis=1)

    chosen = rows["choice"].to_numpy(zero_copy_only=False).astype(str)
    told = {
        "customer_id": rows["id"].to_numpy().astype(str),
        "occasion": np.arange(len(chosen)),
        "item_id": items,
        "price": columns("price"),
        "chosen": (chosen[:, None] == np.array(items)).astype(int),
        "displayed": columns("disp"),
        "featured": columns("feat"),
    }
    return prepare_choices(as_table(told), facts=("displayed", "featured"))


def _catsup(context: BenchContext) -> BenchResult:
    from models.elasticity.choice_report import CHAMPION, SHARES, STANDARD, judge_choices

    data = catsup(context)
    report = judge_choices(data)
    ours, theirs = (report.value(name, "log chance") for name in (CHAMPION, STANDARD))
    parts = []
    for item in data.items:
        value, low, high = (report.value(CHAMPION, f"elasticity{end}", item) for end in ("", ", low", ", high"))
        parts.append(f"{item} {value:.2f} [{low:.2f}, {high:.2f}] ({report.value(STANDARD, 'elasticity', item):.2f})")
    coefficients = ", ".join(
        f"{report.value(name, 'price coefficient'):.2f} ± {1.96 * report.value(name, 'its standard error'):.2f}"
        for name in (CHAMPION, STANDARD)
    )
    note = (
        f"own-price elasticities of shares (conditional logit's): {', '.join(parts)}; price coefficients {coefficients}; shares "
        f"alone {report.value(SHARES, 'log chance'):.3f}; {report.notes[0]}"
    )
    met = ours > theirs and report.value(CHAMPION, "price coefficient") < 0
    return BenchResult(
        ours, "mean log chance", STANDARD, theirs, "above the conditional logit, dearer sells less", met, note
    )


ROWS = [
    BenchRow(
        "elasticity-catsup", "elasticity", "scanner panel of catsup, each household's newest choices", _catsup,
        needs_real_data=True, rooms=("models",),
    ),
    BenchRow(
        "elasticity-avocado", "elasticity", "Hass avocados, weeks after training at the prices that came", _avocado,
        needs_real_data=True, rooms=("models",),
    ),
]  # fmt: skip
