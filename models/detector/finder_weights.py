"""The finder's weights: in memory as float32, in the base checkpoint at half precision, never a pickle that could run code.

A user's own Ultralytics file is a pickle of a whole network. It is read for training alone, by an unpickler that makes layers,
numbers and plain containers and nothing else, so that it cannot run code either; what it does not know, it refuses.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.detector.finder_config import ARCHITECTURES, Architecture
from models.detector.finder_ultralytics import new_network, ultralytics_layers
from models.detector.weight_files import Arrays, WeightsError, check_file, copied, counts, fill, read_safetensors

if TYPE_CHECKING:
    from models.detector.finder_model import FinderModel

Row = dict[str, float]
FORMAT: Final = "storeloop-finder-1"
MOST_BYTES: Final = 1 << 28  # the largest YOLO11 has 115 MB
_CLASSES: Final = ".cv3."  # of YOLO's head: as many outputs as there are classes
_REMEDY: Final = "give a base checkpoint of the finder, or a YOLO11 n, s or m of Ultralytics as .pt or .safetensors"


@dataclass(frozen=True, eq=False)
class FinderWeights:
    """Weights by name as float32, and the `curve` of the training that made them, a row for each epoch.

    `whole` is false for a user's network of other classes: its layers are all there but the last, which say the class.
    """

    arrays: Arrays
    architecture: Architecture = "yolo11n"
    curve: tuple[Row, ...] = ()
    whole: bool = True

    @staticmethod
    def of(state: Mapping[str, Any], architecture: Architecture, curve: tuple[Row, ...] = ()) -> "FinderWeights":
        """A copy of a network's state (torch)."""
        return FinderWeights(copied(state), architecture, curve)

    def fill(self, network: "FinderModel") -> None:
        """Put them into a network. WeightsError where names or shapes differ, or a number is not finite."""
        state = {name: value for name, value in network.state_dict().items() if counts(name)}
        asked = {name: value for name, value in state.items() if self.whole or _CLASSES not in name}
        fill(asked, self.arrays, remedy=_REMEDY)

    def require_whole(self) -> None:
        """WeightsError for a network whose last layers say other classes."""
        if not self.whole:
            raise WeightsError(
                "these weights find classes of their own, not items: train them by fit_finder(start=...)"
            )

    def to_half(self) -> bytes:
        """The base checkpoint: safetensors of float16, and float32 where there is one number a channel (few, and some tiny)."""
        from safetensors.numpy import save

        self.require_whole()
        stored = {
            name: array.astype(np.float16 if array.ndim > 1 else np.float32) for name, array in self.arrays.items()
        }
        told = json.dumps({"architecture": self.architecture, "curve": self.curve})
        # One entry: safetensors writes several in any order, and equal weights shall be equal bytes.
        return bytes(save(dict(sorted(stored.items())), metadata={FORMAT: told}))


def read_finder(path: Path) -> FinderWeights:
    """A base checkpoint, a state dict of YOLO11 as safetensors, or a user's Ultralytics file; see the module for the latter.

    WeightsError for every other file. Only training reads such files: what is served is a graph.
    """
    check_file(path, (".safetensors", ".pt"), most_bytes=MOST_BYTES, remedy=_REMEDY)
    found = _from_safetensors(path) if path.suffix == ".safetensors" else _from_ultralytics(path)
    try:
        found.fill(new_network(found.architecture))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return found


def _from_safetensors(path: Path) -> FinderWeights:
    arrays, told = read_safetensors(path, remedy=_REMEDY)
    try:
        ours = json.loads(told[FORMAT]) if FORMAT in told else None
        curve = tuple(ours["curve"]) if ours else ()
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} says of itself {told[FORMAT][:80]!r}: {_REMEDY}") from error
    if odd := sorted(name for name, array in arrays.items() if array.dtype.kind != "f" and counts(name)):
        raise WeightsError(f"{path}: {odd[0]} is {arrays[odd[0]].dtype}, no floating-point number: {_REMEDY}")
    if ours:
        return FinderWeights(_floats(arrays), _known(path, str(ours.get("architecture"))), curve)
    return _strangers(path, arrays)


def _from_ultralytics(path: Path) -> FinderWeights:
    import torch

    if not zipfile.is_zipfile(path):  # torch before 1.6 wrote bare pickles
        raise WeightsError(f"{path} is no file of torch 1.6 or newer: {_REMEDY}")
    try:
        with torch.serialization.safe_globals(ultralytics_layers()):
            held = torch.load(path, map_location="cpu", weights_only=True)
        network = held.get("ema") or held["model"]
        state = {name: value.float().numpy() for name, value in network.state_dict().items()}
    except Exception as error:  # unpicklers raise half a dozen kinds on hostile bytes
        raise WeightsError(
            f"{path} is no checkpoint of a YOLO by Ultralytics, or holds more than layers ({type(error).__name__}): {_REMEDY}"
        ) from error
    return _strangers(path, state)


def _strangers(path: Path, arrays: Arrays) -> FinderWeights:
    """Which YOLO11 a state is of, by the width of its first layer and its depth."""
    found = _floats(arrays)
    for name in ARCHITECTURES:
        asked = {key: tuple(value.shape) for key, value in new_network(name).state_dict().items() if counts(key)}
        told = {key: array.shape for key, array in found.items()}
        if asked == told:
            return FinderWeights(found, name)
        shared = {key: shape for key, shape in asked.items() if _CLASSES not in key}
        if shared == {key: shape for key, shape in told.items() if _CLASSES not in key}:
            return FinderWeights({key: found[key] for key in shared}, name, whole=False)
    raise WeightsError(f"{path} holds {len(found)} weights of another network: {_REMEDY}")


def _floats(arrays: Arrays) -> Arrays:
    return {name: array.astype(np.float32) for name, array in arrays.items() if counts(name)}


def _known(path: Path, name: str) -> Architecture:
    for each in ARCHITECTURES:
        if each == name:
            return each
    raise WeightsError(f"{path} says it is {name[:40]!r}, one of {', '.join(ARCHITECTURES)} is known: {_REMEDY}")
