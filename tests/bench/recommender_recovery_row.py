"""Row of the recommender's recovery: killed ten times under load, has its learner learned what one has that never stopped?"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "serving"), str(HERE.parents[1])]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)

KILLS, DELIVERIES = 10, 600


def _row(context: BenchContext) -> BenchResult:
    from recommender_recovery import kill_and_compare
    from recommender_releases import make_recommender_releases

    releases = make_recommender_releases(context.scratch / "releases")
    found = kill_and_compare(releases, context.scratch, kills=KILLS, count=DELIVERIES, seed=11)
    names = sorted(found.uninterrupted)
    differ = [name for name in names if found.killed.get(name) != found.uninterrupted[name]]
    learned = int.from_bytes(found.killed["events"], "little")
    return BenchResult(
        value=len(differ),
        unit="arrays differ",
        bound="none of the state's arrays, bit by bit",
        met=not differ,
        note=f"{KILLS} times SIGKILL to server, worker and learner, asked without pause; {found.deliveries} deliveries of "
        f"{found.impressions:,} impressions, each until confirmed and 3 in 10 again; {learned:,} learned, the others wait; "
        f"at the starts {found.learned_at_start}",
    )


ROWS = [
    BenchRow(
        "recommender-recovery",
        "recommender service",
        "state of the online learner after SIGKILLs beside an uninterrupted one's",
        _row,
        rooms=("serving", "models", "features"),
    )
]
