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


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    spec = importlib.util.spec_from_file_location("edge_release", Path(__file__).with_name("edge_release.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("edge")
    made = module.write_release(folder / "release")
    generate_keys(folder / "signing.pem", folder / "trusted.pem")
    return Release(
        folder / "release",
        made["series_ids"].tolist(),
        made["values"],
        folder / "signing.pem",
        folder / "trusted.pem",
    )
