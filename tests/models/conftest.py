"""Fixtures of the model tests: the synthetic shop, loaded by path (tests are no package)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the helpers beside this file are no package


def load_by_path(path: Path) -> ModuleType:
    """A helper module beside the tests, under a name that no installed package can shadow."""
    name = f"storeloop_tests_models_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """tests/models/synthetic_retail.py"""
    return load_by_path(HERE / "synthetic_retail.py")


@pytest.fixture(scope="session")
def wifi_shop() -> ModuleType:
    """tests/models/wifi_shop.py"""
    return load_by_path(HERE / "wifi_shop.py")


@pytest.fixture(scope="session")
def model_cases() -> dict[str, ModuleType]:
    """tests/models/<package>_case.py of every model package, by package name."""
    return {path.stem.removesuffix("_case"): load_by_path(path) for path in sorted(HERE.glob("*_case.py"))}


@pytest.fixture(scope="session")
def fresh_helper() -> ModuleType:
    """Goods and predictors of chance that tests/models/test_pricing_fresh.py makes."""
    return load_by_path(HERE / "test_pricing_fresh.py")
