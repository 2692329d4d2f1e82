"""The packing belt: any stretch of its packages, with pictures and sensor readings, by number."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sources.base import SourceError
from sources.twin.arrays import Floats, Ints
from sources.twin.belt import defects
from sources.twin.belt.art import DATE, OVER, Look, Pixels, belt_rubber, date_field, date_text, film, label, look, paste
from sources.twin.belt.camera import Shot, shoot
from sources.twin.belt.params import BeltParams
from sources.twin.belt.truth import FELT, KINDS, BeltTruth
from sources.twin.keyed_random import KeyedRandom

START = date(2024, 1, 1)  # first day of the belt
KEEPS_DAYS = 21  # from packing to the printed date
_CHOICES = 16  # free choices a defect may need
_NOISES = 64  # places from which a picture's noise is cut, each way
_PLAIN = np.full(_CHOICES, 0.5)


@dataclass(frozen=True)
class Batch:
    """One product and date in a row: what the line knows of it. `picture` (S, S, 3) of an approved first package; nominal weight
    in g, seal pressure in kPa, temperature in degrees Celsius."""

    number: int
    day: date
    product: int
    keeps_until: date
    picture: Pixels
    weight_g: float
    pressure_kpa: float
    temperature_c: float


@dataclass(frozen=True)
class Packages:
    """N packages in a row, from number `first` on: `pictures` (N, S, S, 3) RGB, `batch` (N,), readings (N,)."""

    first: int
    pictures: Pixels
    batch: Ints
    weight_g: Floats
    pressure_kpa: Floats
    temperature_c: Floats


@dataclass(frozen=True)
class _Artwork:
    """What is printed for a batch, on canvases of OVER times the picture."""

    dress: Look
    bare: Pixels
    label: Pixels
    date_field: Pixels
    keeps_until: date


class Belt:
    """The belt of `params` and `seed`. A package's picture, readings and truth hang on its number alone.

    `packages` and `truth` take a first number and a count; SourceError outside 0..2^40.
    """

    def __init__(self, params: BeltParams, seed: int) -> None:
        if not 0 <= seed < 2**63:
            raise SourceError(f"belt seed {seed} lies outside 0..2^63 - 1; choose a non-negative whole number")
        self.params = params
        self.seed = seed
        self._random = KeyedRandom(seed)
        self._artwork = lru_cache(maxsize=32)(self._drawn)
        self._noise = self._noise_field()

    def product(self, batch: int) -> int:
        """Number of the product that a batch is of."""
        return int(self._random.integers("belt.product", 0, self.params.products, batch))

    def day(self, batch: int) -> date:
        """Day on which a batch is packed."""
        return START + timedelta(days=batch // self.params.batches_per_day)

    def batch(self, number: int) -> Batch:
        """What the line knows of a batch; its picture shows a sound package in plain light."""
        self._check(number, 1)
        art, product = self._artwork(number), self.product(number)
        side, flat = self.params.size_px, np.zeros(2)
        noise = np.zeros((side, side, 3), np.float32)
        picture = shoot(
            self._canvas(art, "none", 0.0, _PLAIN), self._rubber(0), Shot(flat, 0.0, np.ones(3), flat, None, 0.3, noise)
        )
        weight, pressure = self._nominal(product)
        return Batch(number, self.day(number), product, art.keeps_until, picture, weight, pressure, 4.0)

    def truth(self, first: int, count: int) -> BeltTruth:
        """Kind and severity of the packages' defects."""
        self._check(first, count)
        item = np.arange(first, first + count)
        faulty = self._random.uniform("belt.faulty", item) < self.params.defect_share
        kind = np.where(faulty, self._random.integers("belt.kind", 1, len(KINDS), item), 0)
        least = self.params.least_severity
        severity = least + (1 - least) * self._random.uniform("belt.severity", item)
        return BeltTruth(kind, np.where(faulty, severity, 0.0))

    def packages(self, first: int, count: int) -> Packages:
        """Pictures and readings of the packages."""
        truth = self.truth(first, count)
        item = np.arange(first, first + count)
        batch = item // self.params.batch_size
        pictures = np.empty((count, self.params.size_px, self.params.size_px, 3), np.uint8)
        choices = self._random.uniform("belt.choice", item[:, None], np.arange(_CHOICES))
        for row, shot in enumerate(self._shots(item, batch)):
            kind = KINDS[truth.kind[row]]
            canvas = self._canvas(
                self._artwork(int(batch[row])), kind, float(truth.severity[row]), choices[row], int(batch[row])
            )
            pictures[row] = shoot(canvas, self._rubber(int(item[row])), shot)
        return Packages(first, pictures, batch, *self._readings(item, batch, truth))

    def _canvas(self, art: _Artwork, kind: str, severity: float, u: Floats, batch: int = 0) -> Pixels:
        """The package as it lies on the belt, (OVER side, OVER side, 4)."""
        canvas = art.bare.copy()
        patch = art.label
        if kind in {"label_wrong", "label_missing"}:
            step = 1 + int(u[11] * (self.params.products - 1))
            other = look(self._random, (self.product(batch) + step) % self.params.products)
            patch = defects.label_patch(kind, severity, u, art.label, other, art.dress)
        defects.paste_turned(canvas, patch, defects.label_turn(kind, severity, u[12:]))
        paste(canvas, defects.date_patch(kind, severity, u, art.date_field, art.keeps_until), DATE)
        if kind == "dent":
            defects.dent(canvas, severity, u)
        if kind == "tear":
            defects.tear(canvas, severity, u)
        return canvas

    def _shots(self, item: Ints, batch: Ints) -> Iterator[Shot]:
        """Conditions of each picture; lamps drift over a day, channels and packages vary."""
        camera, random, side = self.params.camera, self._random, self.params.size_px
        three, two = np.arange(3), np.arange(2)
        through_day = item / (self.params.batch_size * self.params.batches_per_day)
        drift = camera.light_drift * np.sin(2 * np.pi * (through_day + random.uniform("belt.lamp", batch // 8)))
        light = 1 + drift + camera.light_spread * random.normal("belt.light", item)
        colour = 1 + camera.colour_drift * random.normal("belt.colour", batch[:, None], three)
        slope = camera.light_slope * (2 * random.uniform("belt.slope", item[:, None], two) - 1)
        place = np.clip(random.normal("belt.place", item[:, None], two), -2.5, 2.5) * camera.jitter
        turn = np.clip(random.normal("belt.turn", item), -2.5, 2.5) * camera.turn_degrees
        blur = camera.blur_px * random.uniform("belt.blur", item)
        shines = random.uniform("belt.shines", item) < camera.reflections
        glare = random.uniform("belt.glare", item[:, None], np.arange(6))
        cut = random.integers("belt.noise_cut", 0, _NOISES, item[:, None], two)
        for row in range(len(item)):
            x, y, length, width, angle, levels = glare[row]
            reflection = (
                np.array([
                    0.15 + 0.7 * x, 0.15 + 0.7 * y, 0.08 + 0.15 * length, 0.02 + 0.04 * width, np.pi * angle,
                    camera.reflection_strength * (0.3 + 0.7 * levels),
                ])
                if shines[row]
                else None
            )  # fmt: skip
            down, across = cut[row]
            noise = self._noise[down : down + side, across : across + side]
            yield Shot(
                place[row], float(turn[row]), light[row] * colour[row], slope[row], reflection, float(blur[row]), noise
            )

    def _readings(self, item: Ints, batch: Ints, truth: BeltTruth) -> tuple[Floats, Floats, Floats]:
        """Weight in g, seal pressure in kPa and temperature in degrees Celsius, each (N,)."""
        sensors, random = self.params.sensors, self._random
        off = sensors.least_deviation + (sensors.most_deviation - sensors.least_deviation) * truth.severity
        leak, underfill, warm = (np.where(truth.kind == KINDS.index(kind), off, 0.0) for kind in FELT)
        # A torn film holds no pressure either, the less the longer the tear.
        leak = leak + np.where(truth.kind == KINDS.index("tear"), 0.5 * off * truth.severity, 0.0)
        numbers, place = np.unique(batch, return_inverse=True)
        nominal = np.array([self._nominal(self.product(int(number))) for number in numbers])[place]

        def read(name: str, shift: Floats, spread: float, drift: float) -> Floats:
            bias = drift * random.normal(f"belt.{name}_drift", batch)
            return np.asarray(bias + spread * (random.normal(f"belt.{name}", item) + shift))

        weight = nominal[:, 0] * (1 + read("weight", -underfill, sensors.weight_spread, sensors.weight_drift))
        pressure = nominal[:, 1] + read("pressure", -leak, sensors.pressure_spread, sensors.pressure_drift)
        warmth = 4.0 + read("temperature", warm, sensors.temperature_spread, sensors.temperature_drift)
        return np.round(weight, 1), np.round(pressure.clip(min=0.0), 2).astype(np.float64), np.round(warmth, 2)

    def _nominal(self, product: int) -> tuple[float, float]:
        """Nominal weight in g and seal pressure in kPa of a product."""
        u = self._random.uniform("belt.nominal", product, np.arange(2))
        return float(np.round(150 + 650 * u[0], -1)), float(np.round(35 + 20 * u[1]))

    def _drawn(self, batch: int) -> _Artwork:
        side = OVER * self.params.size_px
        dress = look(self._random, self.product(batch))
        until = self.day(batch) + timedelta(days=KEEPS_DAYS)
        return _Artwork(dress, film(dress, side), label(dress, side), date_field(date_text(until), side), until)

    def _rubber(self, item: int) -> Pixels:
        """The stretch of rubber under a package."""
        side = self.params.size_px
        down, across = self._random.integers("belt.rubber_cut", 0, side, item, np.arange(2))
        return belt_rubber(self.seed, side)[down : down + side, across : across + side]

    def _noise_field(self) -> npt.NDArray[np.float32]:
        """A field of noise in levels, a little larger than a picture: cutting is cheaper than drawing."""
        side = self.params.size_px + _NOISES
        rows, columns, channels = np.ogrid[:side, :side, :3]
        drawn = self._random.normal("belt.noise", rows, columns, channels)
        return (self.params.camera.noise * drawn).astype(np.float32)

    def _check(self, first: int, count: int) -> None:
        if not (first >= 0 and count >= 1 and first + count <= 2**40):
            raise SourceError(
                f"belt: packages {first} to {first + count - 1}: ask for numbers 0 to 2^40 - 1, at least one"
            )
