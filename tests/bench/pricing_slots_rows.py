"""Row of delivery slots: learned fees in the twin, five worlds that no knob was chosen on, beside every rule and an oracle."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

SEEDS, CORES = (201, 202, 203, 204, 205), 2
AREAS, TUNED_AREAS = 12, 3  # with few areas worlds differ by their luck, which one fee for all of them cannot follow
ENSEMBLE, STEPS, STEPS_WRONG = 4, 8_000, 4_000
PRICE, LOAD, KEPT = 0.07, 0.03, 0.05
RULES = ("list price", "myopic elasticity", "EMSR-b", "EMSR-b, marginal revenues", "bid price")


def tuned() -> Any:
    """The simple rules, tuned on other worlds."""
    from orchestration.slot_pricing import tune
    from sources.twin.slots.params import SlotParams

    return tune(SlotParams(areas=TUNED_AREAS))


def judged(seed: int, rules: Any) -> Any:
    """One world: learned fees, those learned on wrong elasticities, and all rules."""
    from models.pricing.config import Config
    from orchestration.slot_pricing import judge
    from sources.twin.slots.params import SlotParams

    cfg = Config(steps=STEPS, ensemble=ENSEMBLE)
    wrong = Config(steps=STEPS_WRONG, ensemble=ENSEMBLE)
    return judge(SlotParams(areas=AREAS), rules, cfg, seed=seed, wrong_cfg=wrong)


def _slots(context: BenchContext) -> BenchResult:
    from orchestration.slot_pricing import report

    rules = tuned()
    # Forked, for a bench module has no name that a new interpreter could import; nothing heavy is loaded yet.
    with ProcessPoolExecutor(CORES, mp_context=get_context("fork")) as pool:
        worlds = list(pool.map(judged, SEEDS, [rules] * len(SEEDS)))
    found = report(worlds, rules)
    for name, picture in found.plots.items():
        (Path(context.scratch) / f"slots_{name}.png").write_bytes(picture)
    return verdict(found)


def verdict(found: Any) -> BenchResult:
    """Mean price, load and revenue of the network against the bounds; lower ends of the intervals must be above EMSR-b."""
    from orchestration.slot_pricing import CHAMPION, FIXED, LISTED, NAIVE_BAND, ORACLE, PROGRAM, WRONG, wrong

    def told(model: str, metric: str, style: str = "+.1%") -> str:
        mean, low, high = (found.value(model, f"{metric}{end}") for end in ("", ", low", ", high"))
        return f"{mean:{style}} [{low:{style}}, {high:{style}}]"

    emsr = [name for name in RULES if name.startswith("EMSR-b")]
    price, load = (found.value(CHAMPION, f"{what} over fixed fare") for what in ("mean price", "load factor"))
    kept = found.value(CHAMPION, "realised over promised")
    beaten = min(found.value(CHAMPION, f"revenue over {name}, low") for name in emsr)
    still = min(found.value(wrong(factor), f"revenue over {LISTED}, low") for factor in WRONG)
    naive = found.value(FIXED, "share of the oracle")
    met = price >= PRICE and load >= LOAD and beaten > 0 and abs(kept) <= KEPT and still > 0
    met &= NAIVE_BAND[0] <= naive <= NAIVE_BAND[1]
    table = "; ".join(
        f"{name}: revenue {told(name, 'revenue', '.2f')}, price {found.value(name, 'mean price'):.2f}, load "
        f"{found.value(name, 'load factor'):.1%}, {found.value(name, 'share of the oracle'):.1%} of the oracle"
        for name in (CHAMPION, FIXED, *RULES, PROGRAM, ORACLE)
    )
    wrongs = "; ".join(
        f"{wrong(factor)}: revenue {told(wrong(factor), f'revenue over {LISTED}')} over list price, "
        f"{told(wrong(factor), 'realised over promised')} over promised"
        for factor in WRONG
    )
    note = (
        f"{len(SEEDS)} worlds, 95 % intervals; load {told(CHAMPION, 'load factor over fixed fare')} of all slots, revenue over EMSR-b "
        f"{told(CHAMPION, f'revenue over {emsr[0]}')}, with marginal revenues {told(CHAMPION, f'revenue over {emsr[1]}')}, over "
        f"bid price {told(CHAMPION, 'revenue over bid price')}, realised over promised "
        f"{told(CHAMPION, 'realised over promised')}; {wrongs}; {table}; {' '.join(found.notes)}"
    )
    bound = (
        f"price >= {PRICE:+.0%} and load >= {LOAD * 100:+.0f} points over the fixed fare, revenue above both EMSR-b, within "
        f"{KEPT:.0%} of promised, above list price with elasticity wrong by half"
    )
    return BenchResult(
        found.value(CHAMPION, "mean price"), f"mean price, {told(CHAMPION, 'mean price over fixed fare')}", FIXED,
        found.value(FIXED, "mean price"), bound, met, note,
    )  # fmt: skip


ROWS = [
    BenchRow(
        "pricing-slots", "pricing", "delivery slots in the twin, fees learned on fitted demand", _slots,
        rooms=("sources", "models", "orchestration"),
    )
]  # fmt: skip
