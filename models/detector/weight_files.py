"""Files of weights, read for training alone: bounded, never a pickle that runs code, and refused with a remedy."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Arrays = dict[str, npt.NDArray[Any]]
_COUNTER: Final = "num_batches_tracked"  # of torch's BatchNorm; nothing reads it


class WeightsError(ValueError):
    """A file of weights that is refused; the message names file, what is wrong with it, and the remedy."""


def counts(name: str) -> bool:
    """Whether a weight of that name is kept."""
    return not name.endswith(_COUNTER)


def copied(state: Mapping[str, "Tensor"]) -> Arrays:
    """The weights of a network's state as float32 arrays of their own."""
    return {name: value.detach().float().numpy().copy() for name, value in state.items() if counts(name)}


def fill(asked: Mapping[str, "Tensor"], arrays: Arrays, *, remedy: str) -> None:
    """Put arrays into the weights `asked`. WeightsError where names or shapes differ, or a number is not finite."""
    import torch

    if odd := sorted(asked.keys() ^ arrays.keys()):
        raise WeightsError(f"{len(odd)} weights are missing or too many, first {odd[0]!r}: {remedy}")
    with torch.no_grad():
        for name, value in asked.items():
            array = arrays[name]
            if array.shape != tuple(value.shape) or not np.isfinite(array).all():
                raise WeightsError(
                    f"{name} has shape {array.shape} where {tuple(value.shape)} is asked, or is not finite: {remedy}"
                )
            value.copy_(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)))


def check_file(path: Path, suffixes: Iterable[str], *, most_bytes: int, remedy: str) -> None:
    """WeightsError for a file that is absent, too large or of another kind."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; mend the path, or leave it out to start from the base checkpoint")
    if (size := path.stat().st_size) > most_bytes:
        raise WeightsError(f"{path} has {size:,} bytes, {most_bytes:,} are read: {remedy}")
    if path.suffix not in suffixes:
        raise WeightsError(f"{path} is neither {' nor '.join(suffixes)}: {remedy}")


def read_safetensors(path: Path, *, remedy: str) -> tuple[Arrays, dict[str, str]]:
    """Arrays by name, and what the file says of itself. WeightsError for a file that is not whole."""
    import struct

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as kept:
            arrays = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118  # no mapping
            return arrays, dict(kept.metadata() or {})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise WeightsError(f"{path} is no whole safetensors file ({error}): {remedy}") from error
