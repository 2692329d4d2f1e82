"""What a DVC stage owns: metrics as JSON and plots as pictures, taken from the run that the stage made."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from data_checks.durable import replace_file
from orchestration.runner import RunOutcome
from orchestration.workspace import Workspace

CHALLENGER = "/challenger"  # the asset of a model whose report has the pictures


def write_metrics(outcome: RunOutcome, path: Path) -> None:
    """The numbers that each asset said of itself, by asset: `{"clean/transactions": {"good": 1200, ...}, ...}`."""
    figures = {asset: _numbers(facts) for asset, facts in sorted(outcome.metadata.items())}
    text = json.dumps({asset: facts for asset, facts in figures.items() if facts}, indent=1, sort_keys=True)
    replace_file(path, lambda draft: draft.write_text(text + "\n", encoding="utf-8"))
    write_contents(outcome, path.with_suffix(".contents.json"))


def write_contents(outcome: RunOutcome, path: Path) -> None:
    """The content hash of every table of the run, by asset: what the next stage depends on, for equal counts say little."""
    hashes = {asset: facts["content_hash"] for asset, facts in outcome.metadata.items() if "content_hash" in facts}
    text = json.dumps(hashes, indent=1, sort_keys=True)
    replace_file(path, lambda draft: draft.write_text(text + "\n", encoding="utf-8"))


def write_plots(workspace: Workspace, outcome: RunOutcome, folder: Path) -> None:
    """The pictures of every challenger of the run, of several models one folder each; what was there before is removed."""
    from orchestration.challengers import read_report

    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    said = {key.removesuffix(CHALLENGER): facts for key, facts in outcome.metadata.items() if key.endswith(CHALLENGER)}
    trained = [model for model, facts in sorted(said.items()) if facts.get("provided") is not False]
    for model in trained:
        place = folder if len(trained) == 1 else folder / model
        place.mkdir(exist_ok=True)
        for name, png in read_report(workspace, model).plots.items():
            (place / f"{name}.png").write_bytes(png)


def _numbers(facts: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
