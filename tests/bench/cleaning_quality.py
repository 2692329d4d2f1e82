"""Row of the cleaning: how much of the injected dirt it finds, and how often it is wrong, on the twin."""

from pathlib import Path

from bench_row import BenchContext, BenchResult, BenchRow

BOUND = 0.95


def measure(home: Path, *, size: str, seed: int) -> dict[str, float]:
    """Precision and recall of cleaning and gate against the twin's record of injected dirt, by row of the raw table.

    Found: quarantined, set aside as a duplicate, or repaired. A row is named by (transaction_id, line_no, copy).
    """
    import pyarrow.compute as pc

    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    settings = Settings(home=home, twin_size=size, twin_seed=seed)
    outcome = run(settings, "+clean/transactions")
    if not outcome.success:
        raise RuntimeError(f"the twin did not pass the gate: {outcome.failures}")
    workspace = Workspace(settings)
    dirt = workspace.source.truth().dirt
    dirt = dirt.filter(pc.equal(dirt["table"], "transactions"))
    injected = _names(dirt["transaction_id"], dirt["line_no"], dirt["copy"])
    held = workspace.quarantine.rows("transactions")
    # A duplicate is found as the second row of its content, which is the injected copy.
    copy = pc.if_else(pc.ends_with(held["_row_key"], "-1"), 0, 1)
    found = _names(held["transaction_id"], held["line_no"], copy)
    hits = len(injected & found)
    return {"precision": hits / len(found), "recall": hits / len(injected), "injected": len(injected)}


def _names(transaction: object, line: object, copy: object) -> set[tuple[str, str, int]]:
    return {
        (str(t), str(n), int(c))
        for t, n, c in zip(transaction.to_pylist(), line.to_pylist(), copy.to_pylist(), strict=True)
    }


def _row(context: BenchContext) -> BenchResult:
    found = measure(context.scratch, size="demo", seed=11)
    worst = min(found["precision"], found["recall"])
    note = f"precision {found['precision']:.4f}, recall {found['recall']:.4f}, {found['injected']:,.0f} rows injected"
    return BenchResult(worst, "share", bound=f">= {BOUND} both", met=worst >= BOUND, note=note)


ROWS = [BenchRow("cleaning-dirt", "cleaning", "injected dirt found, worse of precision and recall", _row)]
