"""Releases of tiny real recommenders, with customers and popular items. Loaded by conftest."""

import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from release_factory import FIRST, SECOND, Releases, model_helper

from features.online_customers import CustomerBatch, write_customers_snapshot
from models.recommender.config import Config
from models.recommender.data import Dataset, prepare
from models.recommender.fallback import PopularItems, count_popular, write_popular
from models.recommender.train import train
from serving.release import build_release

NEW_ITEM = "k5-9"
SEGMENTS = ("early", "late")


@cache
def shop() -> tuple[Dataset, Config]:
    """400 customers c000 to c399 who walk through 60 items k0-0 to k5-9; each kind is a category."""
    case = model_helper("recommender_case")
    cfg = Config(**case.CONFIG, category_attribute="kind")
    return prepare(case.tables(None, cfg), cfg), cfg


def customers(data: Dataset) -> CustomerBatch:
    """What is told of them: early ones have numbers below 200."""
    count, starts = len(data.customers), data.histories.starts.tolist()
    segment = np.repeat(SEGMENTS, count // 2)
    return CustomerBatch(
        tuple(data.customers.tolist()),
        np.ones(count, dtype=np.bool_),
        tuple(tuple(data.items[data.histories.items[first:last]].tolist()) for first, last in pairwise(starts)),
        {"purchases_7d": np.ones(count), "clicks_7d": np.zeros(count)},
        {"segment": segment, "device": np.full(count, "")},
    )


def popular(data: Dataset) -> PopularItems:
    segment: Any = np.repeat(SEGMENTS, len(data.customers) // 2)
    return count_popular(data.histories, data.items.tolist(), segment, new=(NEW_ITEM,))


def make_recommender_releases(root: Path) -> Releases:
    data, cfg = shop()
    ids = {}
    for seed, name in enumerate((FIRST, SECOND)):
        ids[name] = train(data, cfg, seed=seed).save(root / "artifacts" / name).artifact_id

        def fill(folder: Path, *, name: str = name) -> None:
            shutil.copytree(root / "artifacts" / name, folder / "artifact")
            write_popular(folder / "fallback", popular(data))
            write_customers_snapshot(folder / "customers", customers(data))

        build_release(root / "recommender" / name, ids[name], fill)
    releases = Releases(root, ids, tuple(data.customers.tolist()), "recommender")
    releases.promote(FIRST)
    return releases


def recommender_settings(releases: Releases, folder: Path, **more: str) -> dict[str, str]:
    """Environment of a service on these releases that learns in `folder`, quickly."""
    return {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow model
        "STORELOOP_SERVE_ONLINE": str(folder / "online"),
        "STORELOOP_SERVE_LEARNER": "process",
        "STORELOOP_SERVE_LABEL_WAIT_S": "2",
        "STORELOOP_SERVE_PUBLISH_S": "0.2",
        **more,
    }
