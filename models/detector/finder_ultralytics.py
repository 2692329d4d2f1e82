"""Ultralytics, imported with all its look-ups off: it asks for hosts and writes settings as soon as it is imported."""

import atexit
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from models.common.telemetry import switch_off
from models.detector.finder_config import Architecture

if TYPE_CHECKING:
    from types import ModuleType

    from models.detector.finder_training import FinderModel


def new_network(architecture: Architecture) -> "FinderModel":
    """An unfitted network."""
    network: FinderModel = training_module().FinderModel(architecture)
    return network


def ultralytics_layers() -> list[Any]:
    """Classes that a user's network may be made of: layers and their settings, none of which does anything when it is made."""
    from torch import nn

    training_module()
    from ultralytics.nn import modules, tasks
    from ultralytics.utils import IterableSimpleNamespace

    layers = [each for part in (modules, modules.block, modules.conv, modules.head) for each in vars(part).values()]
    plain = [nn.BatchNorm2d, nn.Conv2d, nn.Identity, nn.MaxPool2d, nn.ModuleList, nn.Sequential, nn.SiLU, nn.Upsample]
    made = [each for each in layers if isinstance(each, type) and issubclass(each, nn.Module)]
    return list(dict.fromkeys([*plain, *made, tasks.DetectionModel, IterableSimpleNamespace]))


def training_module() -> "ModuleType":
    """`finder_training`, with Ultralytics told beforehand to ask no host, install nothing and leave the user's home alone."""
    if "ultralytics" not in sys.modules:
        switch_off(os.environ)
        if "YOLO_CONFIG_DIR" not in os.environ:
            os.environ["YOLO_CONFIG_DIR"] = folder = tempfile.mkdtemp(prefix="ultralytics-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.setdefault("YOLO_VERBOSE", "false")
    from PIL import Image

    kept = Image.open
    from models.detector import finder_training

    # Ultralytics puts a reader of its own there, which looks for packages to install whenever a file is no picture.
    Image.open = kept
    finder_training.quiet_logger()
    return finder_training
