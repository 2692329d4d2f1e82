"""Releases of a tiny real inspector with the approved samples of its batches. Loaded by conftest."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

from release_factory import FIRST, SECOND, Releases, model_helper

from models.inspection.config import Config
from models.inspection.data import prepare
from models.inspection.samples import samples_of, write_samples
from models.inspection.train import train
from serving.release import build_release


@cache
def tables() -> dict[str, Any]:
    """240 packages of six batches B0 to B5, 32 pixels a side."""
    made: dict[str, Any] = model_helper("inspection_case").made()
    return made


def make_inspection_releases(root: Path) -> Releases:
    cfg = Config(**model_helper("inspection_case").CONFIG)
    samples = samples_of(tables()["approved_samples"].append_column("product_id", [["P1"] * 6]).append_column(
        "packed_on", [list(range(6))]
    ))  # fmt: skip
    ids = {}
    for seed, name in enumerate((FIRST, SECOND)):
        trained = train(prepare(tables(), cfg), cfg, seed=seed)
        ids[name] = trained.save(root / "artifacts" / name).artifact_id

        def fill(folder: Path, *, name: str = name) -> None:
            shutil.copytree(root / "artifacts" / name, folder / "artifact")
            write_samples(folder / "samples", samples)

        build_release(root / "inspection" / name, ids[name], fill)
    releases = Releases(root, ids, samples.batch_ids, "inspection")
    releases.promote(FIRST)
    return releases


def inspection_settings(releases: Releases) -> dict[str, str]:
    """Environment of a service on these releases."""
    return {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow model
    }
