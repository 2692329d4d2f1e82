"""Rows of the profiles: segments beside the twin's own, campaigns of influencers, and segments of a real shop."""

from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

WORLDS, DAYS, ITEMS = (41, 42, 43), 180, 1_000  # seeds that no knob was chosen on
ARI, STABLE, LIFT = 0.7, 0.8, 0.27


def shop_tables(seed: int) -> tuple[dict[str, Any], Any]:
    """Tables of an online shop with the twin's defaults that lived 180 days, and what may be asked of it."""
    from datetime import date, timedelta

    import ibis
    import pyarrow as pa

    from features.customer_behaviour import build_customer_behaviour, build_customer_purchases
    from orchestration.twin_campaigns import TwinCampaigns
    from sources.twin.catalogue import day_number
    from sources.twin.customers.params import OnlineParams
    from sources.twin.customers.setting import Setting
    from sources.twin.customers.shop import OnlineShop
    from sources.twin.customers.tables import OnlineTables

    shop = OnlineShop(OnlineParams(), seed, Setting.alone(seed, items=ITEMS, days=DAYS))
    maker = OnlineTables(shop.setting, shop.people, shop.network)
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(DAYS)]
    lived = [maker.daily(shop.advance(day), {"sessions", "events"}) for day in days]
    told = {name: pa.concat_tables([day[name] for day in lived]) for name in ("sessions", "events")}
    told["customers"] = maker.customers(day_number(days[-1]))
    friendships = maker.friendships(day_number(days[-1]))
    items = shop.setting.items
    products = ibis.memtable(pa.table({"product_id": items.ids, "list_price": items.list_price}))
    con, read = ibis.duckdb.connect(), {name: ibis.memtable(table) for name, table in told.items()}
    purchases = build_customer_purchases(events=read["events"], products=products)
    tables = {
        "customer_purchases": con.to_pyarrow(purchases),
        "customer_behaviour": con.to_pyarrow(build_customer_behaviour(purchases, **read)),
        "friendships": friendships,
    }
    return tables, TwinCampaigns(shop, days[-1])


def judged(seed: int) -> Any:
    """The report of profiles trained on one world."""
    from models.profiles.config import Config
    from models.profiles.data import prepare
    from models.profiles.evaluate import evaluate
    from models.profiles.train import train

    tables, world = shop_tables(seed)
    cfg = Config()
    data = prepare(tables, cfg)
    return evaluate(train(data, cfg, seed=7).predictor(), data, world=world, truth=world, seed=7)


def _segments(context: BenchContext) -> BenchResult:
    del context
    return segments_verdict([judged(seed) for seed in WORLDS])


def segments_verdict(reports: list[Any]) -> BenchResult:
    """The least adjusted Rand index over worlds, beside the best peer there."""
    own, peer = ([report.value(name, "ari") for report in reports] for name in ("champion", "Gaussian mixture"))
    rfm = [report.value("RFM quintiles", "ari") for report in reports]
    stable = min(report.value("champion", "bootstrap ari") for report in reports)
    worst = int(np.argmin(own))
    note = (
        f"worlds {', '.join(map(str, WORLDS))}: {', '.join(f'{each:.3f}' for each in own)}; RFM quintiles alone at most "
        f"{max(rfm):.3f}; bootstrap ARI {stable:.3f} or more; {reports[0].notes[0]}"
    )
    return BenchResult(
        own[worst], "ARI, least of 3 worlds", "Gaussian mixture", peer[worst], f">= {ARI}", own[worst] >= ARI, note
    )


def _campaign(context: BenchContext) -> BenchResult:
    del context
    return campaign_verdict([judged(seed) for seed in WORLDS])


def campaign_verdict(reports: list[Any]) -> BenchResult:
    """The least lift over random customers of all worlds, lower end of its interval; degree must be surpassed as surely."""
    lifts, least, over_degree = (
        [report.value("champion", metric) for report in reports]
        for metric in ("lift over random", "least lift over random", "least lift over degree")
    )
    worst = int(np.argmin(lifts))
    parts = [
        f"{world}: {report.value('champion', 'conversions'):.0f} conversions, {lift:+.0%} "
        f"({report.value('champion', 'least lift over random'):+.0%} to {report.value('champion', 'most lift over random'):+.0%}), "
        f"over degree at least {degree:+.0%}, follow rates {report.value('follow rates', 'lift over random'):+.0%}, "
        f"oracle {report.value('oracle', 'lift over random'):+.0%}"
        for world, report, lift, degree in zip(WORLDS, reports, lifts, over_degree, strict=True)
    ]
    met = min(least) >= LIFT and min(over_degree) > 0
    return BenchResult(
        lifts[worst],
        "lift over random, least of 3 worlds",
        "highest degree",
        reports[worst].value("highest degree", "lift over random"),
        f"lower end >= {LIFT:.0%}; above degree",
        met,
        "; ".join(parts),
    )


def _online_retail(context: BenchContext) -> BenchResult:
    from orchestration.challengers import read_report
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=context.scratch, source=f"online_retail:{context.real_data}/online_retail")
    outcome = run(settings, "+profiles/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    report = read_report(Workspace(settings), "profiles")
    stable = report.value("champion", "bootstrap ari")
    note = f"least {report.value('champion', 'least bootstrap ari'):.3f}; {'; '.join(report.notes[:-2])}"
    return BenchResult(stable, "bootstrap ARI", "", None, f">= {STABLE}", stable >= STABLE, note)


ROOMS = ("sources", "features", "models", "orchestration")
ROWS = [
    BenchRow("profiles-segments", "profiles", "Segments of three unseen worlds, 180 days", _segments, rooms=ROOMS),
    BenchRow("profiles-campaign", "profiles", "Offer to 2 % of customers, three unseen worlds", _campaign, rooms=ROOMS),
    BenchRow(
        "profiles-online-retail",
        "profiles",
        "UCI Online Retail, customers resampled",
        _online_retail,
        needs_real_data=True,
    ),
]
