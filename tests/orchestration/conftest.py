"""One whole run on the tiny twin, shared by the tests that only look at it, and settings for those that run their own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file are no package

from orchestration.settings import Settings
from orchestration.workspace import Workspace

QUICK = """\
forecaster: {trees: 60, quantile_trees: 25, max_pairs: 1500, max_rows: 30000, quantile_rows: 8000, network_ensemble: 1}
recommender: {width: 16, epochs: 2, steps_min: 30, batch: 64, negatives: 10, ranker_epochs: 1, mix_candidates: 10}
pricing: {fresh_steps: 200, fresh_peer_steps: 20, hidden: 16, fresh_shelves: 80, fresh_days: 5}
inspection: {width: 4, epochs: 2, resamplings: 5, miss_level: 0.1, reject_level: 0.1}
belt: {days: 3, line: {size_px: 64, batch_size: 20, batches_per_day: 4}}
panel: {days: 0}
shop: {floor: {crowd: {visits: 3}}}
promotion: {}
"""


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of a fresh home with quick models; keywords override."""

    def make(**overrides: object) -> Settings:
        home = Path(str(overrides.pop("home", tmp_path_factory.mktemp("home"))))
        params = home / "params.yaml"
        if not params.exists():
            home.mkdir(parents=True, exist_ok=True)
            params.write_text(QUICK, encoding="utf-8")
        return Settings(
            # Networks of cameras take their time: a test of theirs turns them on.
            **{
                "home": home,
                "twin_size": "tiny",
                "params": params,
                "threads": 1,
                "peer_trials": 1,
                "cameras": "off",
                **overrides,
            }
        )

    return make


@pytest.fixture(scope="session")
def finished(make_settings: Callable[..., Settings]) -> Workspace:
    """The workspace after one full run; tests must not change it."""
    from orchestration.runner import run

    settings = make_settings()
    outcome = run(settings, "full")
    assert outcome.success, outcome.failures
    return Workspace(settings)
