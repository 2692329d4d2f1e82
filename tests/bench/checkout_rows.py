"""Row of checkout: days of an unseen shop from sensors to bills, and what each sensor is worth."""

from typing import TYPE_CHECKING

from bench_row import BenchContext, BenchResult, BenchRow

if TYPE_CHECKING:
    from checkout_day import Judged

SEED, WORLD = 347, 7_347  # days of 311 and 331 were looked at while knobs were chosen
DAYS, ABLATION_DAYS = 9, 2  # of 240 visits each
VISITS = 2_000
RIGHT, EXACT, WRONG = 0.99, 0.97, 0.001
ALL, NAIVE = "all sensors", "exit tags alone"


def _checkout(context: BenchContext) -> BenchResult:
    del context
    from checkout_day import judged_days

    judged, ablated = judged_days(SEED, WORLD, DAYS, ABLATION_DAYS)
    return checkout_verdict(judged, ablated)


def checkout_verdict(judged: "Judged", ablated: "Judged") -> BenchResult:
    """The share of items billed right by all sensors; what is in review counts as not billed right. `ablated` are fewer days, on
    which sensors were left out."""
    whole, naive = judged.billed[ALL], judged.billed[NAIVE]
    parts = [f"{name}: {each}" for name, each in judged.billed.items()]
    parts += [f"{name}: {each}" for name, each in ablated.billed.items() if name not in judged.billed]
    some = ablated.billed[ALL]
    note = (
        f"{whole.visits:,} visits, {whole.items:,} items; shelf events told rightly {judged.told / max(judged.events, 1):.2%}, "
        f"and to the right visit {judged.who / max(judged.events, 1):.2%}; {'; '.join(parts)}; sensors are left out on "
        f"{some.visits:,} of the visits, where all of them give: {some}"
    )
    met = (
        whole.visits >= VISITS
        and whole.items_right >= RIGHT
        and whole.baskets_exact >= EXACT
        and whole.wrong_charges <= WRONG
    )
    bound = f">= {RIGHT:.0%} of items right, >= {EXACT:.0%} of baskets exact, wrong charges <= {WRONG:.1%}, {VISITS:,} visits"
    return BenchResult(whole.items_right, "items billed right", "exit tags alone", naive.items_right, bound, met, note)


ROWS = [
    BenchRow(
        "checkout",
        "checkout",
        "Days of an unseen shop: people, shelves, mats, Wi-Fi and tags to bills",
        _checkout,
        rooms=("sources", "models", "serving", "orchestration"),
    ),
]
