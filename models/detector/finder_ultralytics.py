"""Ultralytics, imported with all its look-ups off: it asks for hosts and writes settings as soon as it is imported."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from models.common.telemetry import switch_off
from models.detector.finder_config import Architecture

if TYPE_CHECKING:
    from models.detector.finder_model import FinderModel


def new_network(architecture: Architecture) -> "FinderModel":
    """An unfitted network."""
    with quiet_import():
        from models.detector.finder_model import FinderModel
    return FinderModel(architecture)


def ultralytics_layers() -> list[Any]:
    """Classes that a user's network may be made of: layers and their settings, none of which does anything when it is made."""
    from torch import nn

    with quiet_import():
        from ultralytics.nn import modules, tasks
        from ultralytics.utils import IterableSimpleNamespace

    layers = [each for part in (modules, modules.block, modules.conv, modules.head) for each in vars(part).values()]
    plain = [nn.BatchNorm2d, nn.Conv2d, nn.Identity, nn.MaxPool2d, nn.ModuleList, nn.Sequential, nn.SiLU, nn.Upsample]
    made = [each for each in layers if isinstance(each, type) and issubclass(each, nn.Module)]
    return list(dict.fromkeys([*plain, *made, tasks.DetectionModel, IterableSimpleNamespace]))


@contextmanager
def quiet_import() -> Iterator[None]:
    """Import what imports Ultralytics within: told beforehand to ask no host, install nothing and leave the user's home alone."""
    if "ultralytics" not in sys.modules:
        switch_off(os.environ)
        if "YOLO_CONFIG_DIR" not in os.environ:
            os.environ["YOLO_CONFIG_DIR"] = folder = tempfile.mkdtemp(prefix="ultralytics-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.setdefault("YOLO_VERBOSE", "false")
    from PIL import Image

    kept = Image.open
    try:
        yield
    finally:
        # Ultralytics puts a reader of its own there, which looks for packages to install whenever a file is no picture.
        Image.open = kept
    logging.getLogger("ultralytics").setLevel(logging.ERROR)  # it logs every argument of every run
