"""Releases made once for the room, a copy for each test, and a running service for those that need HTTP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file are no package

from detector_releases import detector_settings, make_detector_releases
from inspection_releases import inspection_settings, make_inspection_releases
from pricing_releases import make_pricing_releases, pricing_settings
from recommender_releases import make_recommender_releases, recommender_settings
from release_factory import Releases, make_releases
from running import running


@pytest.fixture(scope="session")
def made_releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two small real forecasters, trained once."""
    return make_releases(tmp_path_factory.mktemp("releases") / "releases")


@pytest.fixture
def releases(made_releases: Releases, tmp_path: Path) -> Releases:
    """A copy that a test may break; the first release is promoted."""
    return made_releases.copy_to(tmp_path / "releases")


@pytest.fixture(scope="module")
def served(made_releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Releases]]:
    """The service in a process of its own: its port, and the releases folder it follows."""
    folder = tmp_path_factory.mktemp("served")
    mine = made_releases.copy_to(folder / "releases")
    environment = {
        "STORELOOP_SERVE_RELEASES": str(mine.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow model
    }
    with running("serving.forecaster:Forecaster", environment=environment, log=folder / "service.log") as port:
        yield port, mine


@pytest.fixture(scope="session")
def made_recommenders(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two small real recommenders, trained once; the first is promoted."""
    return make_recommender_releases(tmp_path_factory.mktemp("recommenders") / "releases")


@pytest.fixture(scope="module")
def served_recommender(
    made_recommenders: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, Releases]]:
    """The recommender and its learner in processes of their own: its port, and the releases folder it follows."""
    folder = tmp_path_factory.mktemp("served")
    mine = made_recommenders.copy_to(folder / "releases")
    with running(
        "serving.recommender:Recommender", environment=recommender_settings(mine, folder), log=folder / "service.log"
    ) as port:
        yield port, mine


@pytest.fixture(scope="session")
def made_pricing(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two small releases of pricing; the first is promoted."""
    return make_pricing_releases(tmp_path_factory.mktemp("pricing") / "releases")


@pytest.fixture
def pricing_releases(made_pricing: Releases, tmp_path: Path) -> Releases:
    """A copy that a test may break; the first release is promoted."""
    return made_pricing.copy_to(tmp_path / "pricing_releases")


@pytest.fixture(scope="module")
def served_pricing(made_pricing: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Releases]]:
    """Pricing in a process of its own, prices live: its port, and the releases folder it follows."""
    folder = tmp_path_factory.mktemp("served")
    mine = made_pricing.copy_to(folder / "releases")
    with running(
        "serving.pricing:Pricing", environment=pricing_settings(mine, folder), log=folder / "service.log"
    ) as port:
        yield port, mine


@pytest.fixture(scope="session")
def made_detectors(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two small releases of product recognition; the first is promoted."""
    return make_detector_releases(tmp_path_factory.mktemp("detectors") / "releases")


@pytest.fixture(scope="module")
def served_detector(
    made_detectors: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, Releases]]:
    """Product recognition in a process of its own: its port, and the releases folder it follows."""
    folder = tmp_path_factory.mktemp("served")
    mine = made_detectors.copy_to(folder / "releases")
    with running("serving.detector:Detector", environment=detector_settings(mine), log=folder / "service.log") as port:
        yield port, mine


@pytest.fixture(scope="session")
def made_inspectors(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """A small real inspector, trained once and promoted."""
    return make_inspection_releases(tmp_path_factory.mktemp("inspectors") / "releases")


@pytest.fixture(scope="module")
def served_inspection(
    made_inspectors: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, Releases]]:
    """Inspection in a process of its own: its port, and the releases folder it follows."""
    folder = tmp_path_factory.mktemp("served")
    mine = made_inspectors.copy_to(folder / "releases")
    with running(
        "serving.inspection:Inspection", environment=inspection_settings(mine), log=folder / "service.log"
    ) as port:
        yield port, mine
