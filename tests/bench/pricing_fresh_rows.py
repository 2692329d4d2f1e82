"""Row of fresh goods: learned prices in the true twin, five worlds that nothing was tuned on, beside every rule."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

SEEDS, CORES = (701, 702, 703, 704, 705), 2
SAVED, KEPT = 0.6, 0.05


def judged(seed: int) -> Any:
    """One world."""
    from models.pricing.config import Config
    from orchestration.fresh_judging import judge_world

    return judge_world(seed, Config(fresh_shelves=4_000, fresh_days=56))


def _fresh(context: BenchContext) -> BenchResult:
    from orchestration.fresh_judging import report_worlds

    # Forked, for a bench module has no name that a new interpreter could import; nothing heavy is loaded yet.
    with ProcessPoolExecutor(CORES, mp_context=get_context("fork")) as pool:
        found = report_worlds(list(pool.map(judged, SEEDS)))
    for name, picture in found.plots.items():
        (Path(context.scratch) / f"fresh_{name}.png").write_bytes(picture)
    return verdict(found)


def verdict(found: Any) -> BenchResult:
    """Waste, margin and promises of the network against the bounds."""
    from models.pricing.fresh_rules import LIST
    from orchestration.fresh_judging import CHAMPION, HINDSIGHT, WRONG, wrong_name
    from orchestration.fresh_twin import BAND

    def told(model: str, metric: str, style: str = "+.1%") -> str:
        mean, low, high = (found.value(model, f"{metric}{end}") for end in ("", ", low", ", high"))
        return f"{mean:{style}} [{low:{style}}, {high:{style}}]"

    saved = found.value(CHAMPION, f"less waste than {HINDSIGHT}")
    margin = found.value(CHAMPION, f"gross margin over {HINDSIGHT}")
    myopic = found.value(CHAMPION, "gross margin over myopic elasticity, low")
    kept = [found.value(CHAMPION, f"realised over {what} takings") for what in ("promised", "foreseen")]
    still = [found.value(wrong_name(factor), f"gross margin over {LIST}, low") for factor in WRONG]
    naive = found.value(LIST, "waste")
    met = saved >= SAVED and margin >= 0 and myopic > 0 and max(map(abs, kept)) <= KEPT and min(still) > 0
    met &= BAND[0] <= naive <= BAND[1]
    names = [name for name in found.models() if not name.startswith(f"{CHAMPION},")]
    table = "; ".join(
        f"{name}: waste {told(name, 'waste', '.1%')}, gross margin {found.value(name, 'gross margin'):,.0f}, before waste "
        f"{found.value(name, 'margin before waste'):,.0f}, price {found.value(name, 'mean price'):.2f}"
        for name in names
    )
    wrongs = "; ".join(
        f"{wrong_name(factor)}: gross margin {told(wrong_name(factor), f'gross margin over {LIST}')} over list price"
        for factor in WRONG
    )
    note = (
        f"{len(SEEDS)} worlds, 95 % intervals; waste {told(CHAMPION, f'less waste than {HINDSIGHT}')} less and gross margin "
        f"{told(CHAMPION, f'gross margin over {HINDSIGHT}')} over the ladder tuned with hindsight, gross margin "
        f"{told(CHAMPION, 'gross margin over myopic elasticity')} over myopic prices; realised over promised takings "
        f"{told(CHAMPION, 'realised over promised takings')}, over foreseen {told(CHAMPION, 'realised over foreseen takings')}; "
        f"{wrongs}; {table}; {' '.join(found.notes)}"
    )
    bound = (
        f"waste >= {SAVED:.0%} below the tuned ladder's, gross margin not lower, above myopic prices, within {KEPT:.0%} of promised, "
        "above list price with elasticity wrong by half"
    )
    return BenchResult(
        found.value(CHAMPION, "waste"), f"of units thrown away, {told(CHAMPION, f'less waste than {HINDSIGHT}')} less",
        HINDSIGHT, found.value(HINDSIGHT, "waste"), bound, met, note,
    )  # fmt: skip


ROWS = [
    BenchRow(
        "pricing-fresh", "pricing", "fresh goods in the twin, prices learned on fitted demand", _fresh,
        rooms=("sources", "models", "orchestration"),
    )
]  # fmt: skip
