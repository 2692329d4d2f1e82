"""One trained release for all edge tests."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge.keys import generate_keys


@dataclass(frozen=True)
class Release:
    """Folder of a release, the forecasts that the cloud's path gives for it (S, H, 4), and a key pair."""

    folder: Path
    series_ids: list[str]
    values: np.ndarray
    private: Path
    public: Path


def _made(folder: Path, network: str, seed: int = 3) -> Release:
    spec = importlib.util.spec_from_file_location("edge_release", Path(__file__).with_name("edge_release.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.write_release(folder / "release", network=network, seed=seed)
    generate_keys(folder / "signing.pem", folder / "trusted.pem")
    return Release(
        folder / "release",
        made["series_ids"].tolist(),
        made["values"],
        folder / "signing.pem",
        folder / "trusted.pem",
    )


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _made(tmp_path_factory.mktemp("edge"), "auto")


@pytest.fixture(scope="session")
def release_with_network(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _made(
        tmp_path_factory.mktemp("edge_network"), "lstm", seed=4
    )  # a shop on which the network has its place in the blend
