"""What a stretch of shelf tells of a customer: detections of its cameras, weights of its scales, reads of its antennas.

Letters: F pictures, D detections, P products, C cameras, L lanes, B boards (lowest first), R readings, K tags. Lengths in
centimetres, times in seconds by each sensor's own clock, weights in grams; boxes are left, top, right, bottom in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
MOST_DETECTIONS, MOST_PICTURES, MOST_READINGS, MOST_TAGS = 50_000, 2_000, 200_000, 5_000
MOST_EVIDENCE = 20_000_000  # numbers in log_probs
MOST_BOARDS, MOST_LANES = 100, 5_000
LONGEST_S = 3_600.0  # of pictures: tables over time grow with it, however few there are


class Camera(Protocol):
    """A pinhole camera of known place: `matrix` (3, 3) in pixels, `rotation` (3, 3) from the shelf's axes (x along it, y up, z
    towards the customer; front edge of the boards at z = 0) to the camera's (x right, y down, z forward), `position` (3,),
    radial `distortion` (k1, k2)."""

    @property
    def matrix(self) -> Floats: ...
    @property
    def rotation(self) -> Floats: ...
    @property
    def position(self) -> Floats: ...
    @property
    def distortion(self) -> tuple[float, float]: ...


@dataclass(frozen=True, eq=False)
class Shelf:
    """What the shop planned where: of each lane its board `level` (L,), `product` (L,) and ends `left`, `right` (L,); heights
    `boards` (B,) of the boards; `weight_g` (P,) of one package of each product."""

    level: Ints
    product: Ints
    left: Floats
    right: Floats
    boards: Floats
    weight_g: Floats


@dataclass(frozen=True, eq=False)
class NamedDetections:
    """Packages found: `picture` (D,) ascending, `box` (D, 4), `log_probs` (D, P) over products, each row summing to 1 as shares."""

    picture: Ints
    box: Floats
    log_probs: Floats

    @cached_property
    def shares(self) -> Floats:
        """The names' shares (D, P)."""
        return np.asarray(np.exp(self.log_probs))


@dataclass(frozen=True, eq=False)
class ScaleReadings:
    """Readings of the scales under the boards: `level` (R,), `at_s` (R,) ascending within a level, `grams` (R,)."""

    level: Ints
    at_s: Floats
    grams: Floats


@dataclass(frozen=True, eq=False)
class TagReads:
    """Reads of the antennas behind the boards: `level` (R,), `at_s` (R,), `tag` (R,), `rssi_dbm` (R,); `product` (K,) is what each
    tag was put on. A product below 0 is unknown."""

    level: Ints
    at_s: Floats
    tag: Ints
    rssi_dbm: Floats
    product: Ints


@dataclass(frozen=True, eq=False)
class Recording:
    """All that was observed: `camera` (F,) and `at_s` (F,) of each picture, what was found in them, and what the other sensors
    told, None where there are none."""

    cameras: Sequence[Camera]
    camera: Ints
    at_s: Floats
    detections: NamedDetections
    shelf: Shelf
    weights: ScaleReadings | None = None
    reads: TagReads | None = None

    def keeping(self, pictures: Bools) -> "Recording":
        """Only the pictures for which `pictures` (F,) is true."""
        found = self.detections
        kept = pictures[found.picture]
        number = np.cumsum(pictures) - 1
        left = NamedDetections(number[found.picture[kept]], found.box[kept], found.log_probs[kept])
        return replace(self, camera=self.camera[pictures], at_s=self.at_s[pictures], detections=left)

    def check(self) -> None:
        """Raise InputError for what does not fit together or is too much; the message names it."""
        found, shelf = self.detections, self.shelf
        products = shelf.weight_g.size
        _bounded("pictures", self.at_s.size, MOST_PICTURES)
        _bounded("detections", found.picture.size, MOST_DETECTIONS)
        _bounded("numbers in log_probs", found.log_probs.size, MOST_EVIDENCE)
        _bounded("boards", shelf.boards.size, MOST_BOARDS)
        _bounded("lanes", shelf.level.size, MOST_LANES)
        _shape("camera", self.camera, self.at_s.shape)
        _shape("box", found.box, (found.picture.size, 4))
        _shape("log_probs", found.log_probs, (found.picture.size, products))
        _inside("camera", self.camera, len(self.cameras))
        _inside("picture", found.picture, self.at_s.size)
        _inside("lane's level", shelf.level, shelf.boards.size)
        _inside("lane's product", shelf.product, products)
        numbers = [("at_s", self.at_s), ("box", found.box), ("weight_g", shelf.weight_g)]
        if (np.diff(found.picture) < 0).any():
            raise InputError("picture is not ascending; sort the detections by picture")
        if np.isnan(found.log_probs).any() or (found.log_probs > 1e-6).any():
            raise InputError("log_probs hold NaN or a value above 0; give natural logarithms of shares")
        if (shelf.weight_g <= 0).any():
            raise InputError(f"weight_g holds {shelf.weight_g.min():g}; every product weighs more than 0 g")
        if self.weights is not None:
            _bounded("readings of scales", self.weights.grams.size, MOST_READINGS)
            _inside("scale's level", self.weights.level, shelf.boards.size)
            numbers += [("scales' at_s", self.weights.at_s), ("grams", self.weights.grams)]
        if self.reads is not None:
            _bounded("reads of tags", self.reads.tag.size, MOST_READINGS)
            _bounded("tags", self.reads.product.size, MOST_TAGS)
            _inside("antenna's level", self.reads.level, shelf.boards.size)
            _inside("tag", self.reads.tag, self.reads.product.size)
            _inside("tag's product", self.reads.product, products, least=-1)
            numbers += [("reads' at_s", self.reads.at_s), ("rssi_dbm", self.reads.rssi_dbm)]
        for name, values in numbers:
            if not np.isfinite(values).all():
                raise InputError(f"{name} holds a value that is not finite; leave such rows out")
        if self.at_s.size and np.ptp(self.at_s) > LONGEST_S:
            raise InputError(
                f"the pictures span {np.ptp(self.at_s):.0f} s, {LONGEST_S:.0f} s is the bound; send a shorter recording"
            )


def _bounded(name: str, count: int, most: int) -> None:
    if count > most:
        raise InputError(f"{count} {name} are more than {most}; send a shorter recording")


def _shape(name: str, values: npt.NDArray[np.generic], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InputError(f"{name} has shape {values.shape}, not {shape}; give one row for each")


def _inside(name: str, values: Ints, bound: int, least: int = 0) -> None:
    if values.size and (values.min() < least or values.max() >= bound):
        raise InputError(
            f"{name} {values.min()} to {values.max()} reaches outside [{least}, {bound}); check the numbering"
        )
