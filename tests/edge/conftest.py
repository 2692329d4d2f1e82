"""Releases for all edge tests: one that is trained, and prices of random networks."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge.bundle import unpack
from models.common.keys import generate_keys, read_public_key

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file are no package


@dataclass(frozen=True)
class Release:
    """Folder of a release, the forecasts that the cloud's path gives for it (S, H, 4), and a key pair."""

    folder: Path
    series_ids: list[str]
    values: np.ndarray
    private: Path
    public: Path


def _beside(name: str, folder: Path = Path(__file__).parent) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _made(folder: Path, network: str, seed: int = 3) -> Release:
    made = _beside("edge_release").write_release(folder / "release", network=network, seed=seed)
    generate_keys(folder / "signing.pem", folder / "trusted.pem")
    return Release(
        folder / "release",
        made["series_ids"].tolist(),
        made["values"],
        folder / "signing.pem",
        folder / "trusted.pem",
    )


@pytest.fixture
def grown() -> Callable[[], int]:
    """Bytes by which this process has grown at most since the test began, whatever tests before it held."""
    memory = _beside("peak_memory", Path(__file__).parents[1] / "bench")
    memory.forget_peak()
    before = memory.peak_bytes()
    return lambda: memory.peak_bytes() - before


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _made(tmp_path_factory.mktemp("edge"), "auto")


@pytest.fixture(scope="session")
def release_with_network(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _made(
        tmp_path_factory.mktemp("edge_network"), "lstm", seed=4
    )  # a shop on which the network has its place in the blend


@pytest.fixture(scope="session")
def pricing() -> ModuleType:
    return _beside("pricing_release")


@pytest.fixture(scope="session")
def wild() -> ModuleType:
    return _beside("pricing_wild")


@pytest.fixture(scope="session")
def shop(pricing: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A shop with a bundle of prices, revision 1."""
    shop = pricing.Shop(tmp_path_factory.mktemp("shop"))
    shop.bundle()
    return shop


@pytest.fixture(scope="session")
def unpacked(shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That bundle as it lies on a box."""
    folder = tmp_path_factory.mktemp("box") / "there"
    unpack(shop.root / "1.bundle", read_public_key(shop.public), folder)
    return folder


@pytest.fixture(scope="session")
def clips() -> list[tuple[Any, Any]]:
    """Recordings of a shelf of the twin and their true events."""
    made: list[tuple[Any, Any]] = _beside("eyes_shelf").clips()
    return made
