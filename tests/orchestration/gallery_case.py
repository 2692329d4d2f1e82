"""Releases of product recognition by networks made by hand, as the tests of the service have them."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

HELPERS = Path(__file__).parents[1] / "serving"


@cache
def helpers() -> ModuleType:
    """tests/serving/detector_releases.py, whose own helpers lie beside it."""
    sys.path.insert(0, str(HELPERS))
    try:
        spec = importlib.util.spec_from_file_location("detector_releases", HELPERS / "detector_releases.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault("detector_releases", module)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HELPERS))
    return module
