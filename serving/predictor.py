"""The bridge to the model room and to the feature room: loads both, and speaks `serving.champion`'s protocols."""

from collections.abc import Callable
from pathlib import Path

from serving.champion import Model, StateReader
from serving.settings import ServeSettings


def load_model(folder: Path) -> Model:
    raise NotImplementedError(folder)


def load_snapshot(folder: Path) -> StateReader:
    raise NotImplementedError(folder)


def feature_reader(settings: ServeSettings) -> Callable[[Path], StateReader] | None:
    return None
