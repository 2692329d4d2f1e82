"""Rows of the recommender: where it ranks held-out items, beside peers tuned in 20 draws each, same split, same run."""

from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

PEERS = ("popularity", "item-kNN (implicit)", "EASE", "ALS (implicit)", "BPR (implicit)")
TRIALS = 20
HR, NDCG = 0.092, 0.056


def _beauty(context: BenchContext) -> BenchResult:
    from orchestration.challengers import read_report
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    source = f"amazon_beauty:{context.real_data}/amazon_beauty"
    settings = Settings(home=context.scratch, source=source, peer_trials=TRIALS)
    outcome = run(settings, "+recommender/challenger")
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")
    return verdict(read_report(Workspace(settings), "recommender"))


def verdict(report: Any) -> BenchResult:
    """The champion of a report beside its best peer, and whether what is asked holds."""
    rate, gain = (
        {row.model: row.value for row in report.rows if row.metric == metric and row.segment == "all"}
        for metric in ("hr@10", "ndcg@10")
    )
    best = max(PEERS, key=lambda name: gain[name])
    champion = report.champion
    met = rate[champion] >= HR and gain[champion] >= NDCG
    met = met and all(rate[champion] > rate[name] and gain[champion] > gain[name] for name in PEERS)
    others = ", ".join(f"{name} {rate[name]:.4f} / {gain[name]:.4f}" for name in rate if name != champion)
    note = (
        f"HR@10 {rate[champion]:.4f}, recall@20 {report.value(champion, 'recall@20'):.4f}; HR@10 / NDCG@10 of {others}; "
        f"{report.notes[0]}"
    )
    bound = f"NDCG@10 >= {NDCG}, HR@10 >= {HR}; both above every peer"
    return BenchResult(gain[champion], "ndcg@10", best, gain[best], bound, met, note)


ROWS = [
    BenchRow(
        "recommender-beauty", "recommender", "Amazon Beauty, last item among all 12,101", _beauty, needs_real_data=True
    ),
]
