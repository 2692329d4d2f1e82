"""Clips: pictures of a customer's reaches from some cameras, with the readings of scales and antennas beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras import effects
from sources.twin.cameras.camera import Camera, turned
from sources.twin.cameras.canvas import Canvas, Stencils
from sources.twin.cameras.gondola import backdrop, draw_gondola, draw_items
from sources.twin.cameras.hands import draw_arm, draw_fingers
from sources.twin.cameras.packages import Placed, Wrapping
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.planogram import Gondola, plan, stock
from sources.twin.cameras.seen import Picture, Seen
from sources.twin.cameras.sensors import Sensed, Units, sense
from sources.twin.cameras.shelf import shelf_cameras
from sources.twin.cameras.story import Story
from sources.twin.cameras.truth import ClipTruth, boxes_of
from sources.twin.cameras.visits import tell


@dataclass(frozen=True, eq=False)
class Clip:
    """What is observed of a clip: `seen` with all pictures in order of true time, `weights`, `reads` and `tags` (see `sensors`);
    and apart from it its `truth`."""

    seen: Seen
    weights: pa.Table
    reads: pa.Table
    tags: pa.Table
    truth: ClipTruth


@dataclass(frozen=True, eq=False)
class Stand:
    """A gondola with what is fixed about it: the `cameras` before it, its `light`, a `style` of metal and rail, and the clocks of
    its sensors (clock minus true time, s), where they are not to be drawn anew. `kept` spares drawing outlines again."""

    gondola: Gondola
    cameras: Sequence[Camera]
    light: effects.Light
    style: int
    clocks: Mapping[str, float] = field(default_factory=dict)
    kept: dict[str, "_Kept"] = field(default_factory=dict, repr=False)

    @classmethod
    def drawn(cls, params: CameraParams, gondola: Gondola, rng: np.random.Generator) -> "Stand":
        """Cameras and light before a gondola."""
        light = effects.Light.drawn(params.effects, rng)
        style = int(rng.integers(1_000))
        return cls(gondola, shelf_cameras(params, gondola, rng), light, style)


@dataclass(eq=False)
class _Kept:
    """Outlines that a camera of a stand has seen, and its last shelf with what stood on it."""

    stencils: Stencils = field(default_factory=Stencils)
    items: Sequence[Placed] = ()
    shelf: Canvas | None = None


@dataclass(frozen=True, eq=False)
class _Shot:
    """A camera's share of a clip."""

    camera: Camera
    lens: effects.Lens
    backdrop_seed: int
    offset_s: float
    times: Floats  # by the true clock


def clip(
    params: CameraParams,
    wrapping: Wrapping,
    products: Ints,
    prices: Floats,
    rng: np.random.Generator,
    *,
    developed: bool = True,
) -> Clip:
    """A customer at a gondola of the products numbered `products` (N,), drawn with `rng` alone. Pictures that are not
    `developed` have no pixels (0, 0, 3); all else is the same and comes faster."""
    appearances = wrapping.appearances
    gondola = plan(params.shelf, appearances, products, rng)
    stocked = stock(gondola, params.shelf, appearances, products, rng)
    story = tell(params.clip, gondola, stocked, appearances, rng)
    sensed = sense(params.sensors, params.clip.clock_offset_s, story, gondola, appearances, rng)
    stand = Stand.drawn(params, gondola, rng)
    return _film(params, wrapping, stand, story, sensed, prices, rng, developed=developed)


def clip_of(
    params: CameraParams,
    wrapping: Wrapping,
    stand: Stand,
    story: Story,
    units: Units,
    prices: Floats,
    rng: np.random.Generator,
    *,
    developed: bool = True,
) -> Clip:
    """A clip of a given story at a given stand; `units` are the story's packages in its order, then those elsewhere."""
    sensed = sense(
        params.sensors,
        params.clip.clock_offset_s,
        story,
        stand.gondola,
        wrapping.appearances,
        rng,
        units=units,
        clocks=stand.clocks,
    )
    return _film(params, wrapping, stand, story, sensed, prices, rng, developed=developed)


def _film(
    params: CameraParams,
    wrapping: Wrapping,
    stand: Stand,
    story: Story,
    sensed: Sensed,
    prices: Floats,
    rng: np.random.Generator,
    *,
    developed: bool,
) -> Clip:
    gondola = stand.gondola
    shots = [_shot(params, camera, story, stand.clocks, rng) for camera in stand.cameras]
    moments = sorted((float(at_s), number) for number, shot in enumerate(shots) for at_s in shot.times)
    pictures: list[Picture] = []

    def drawn() -> Iterator[Canvas]:
        kept: dict[int, tuple[float, Canvas]] = {}
        for at_s, number in moments:
            shot, standing = shots[number], story.at(at_s)
            if number not in kept or kept[number][0] != standing.from_s:
                shelf = _shelf(shot, stand, standing.items, wrapping, prices, coloured=developed)
                kept[number] = standing.from_s, shelf
            canvas = kept[number][1].copy()
            _draw_reaches(canvas, story, at_s, wrapping)
            pixels = np.empty((0, 0, 3), np.uint8)
            if developed:
                pixels = effects.apply(canvas.colour, stand.light, shot.lens, rng)
            pictures.append(Picture(shot.camera.camera_id, round(at_s + shot.offset_s, 4), pixels))
            yield canvas

    boxes = boxes_of(drawn(), story.items)
    offsets = sensed.offsets | {shot.camera.camera_id: shot.offset_s for shot in shots}
    seen = Seen(pictures, [shot.camera for shot in shots], gondola.lanes, gondola.boards)
    truth = ClipTruth(story.events, boxes, story.items, offsets, sensed.epcs)
    return Clip(seen, sensed.weights, sensed.reads, sensed.tags, truth)


def _shot(
    params: CameraParams, camera: Camera, story: Story, clocks: Mapping[str, float], rng: np.random.Generator
) -> _Shot:
    step = 1.0 / params.clip.frames_per_s
    lens = effects.Lens.drawn(params.effects, camera.height, camera.width, rng, still=True)
    offset = clocks.get(camera.camera_id, float(rng.uniform(-1, 1) * params.clip.clock_offset_s))
    times = np.arange(rng.uniform(0, step), story.length_s, step)  # cameras run free of one another
    return _Shot(camera, lens, int(rng.integers(2**31)), offset, times)


def _shelf(
    shot: _Shot, stand: Stand, items: Sequence[Placed], wrapping: Wrapping, prices: Floats, *, coloured: bool
) -> Canvas:
    kept = stand.kept.setdefault(shot.camera.camera_id, _Kept())
    if not coloured and kept.shelf is not None and kept.items == items:
        return kept.shelf
    canvas = Canvas(shot.camera, coloured=coloured, stencils=kept.stencils)
    if coloured:
        backdrop(canvas, np.random.default_rng(shot.backdrop_seed))
    draw_gondola(canvas, stand.gondola, items, wrapping, prices, stand.style)
    if not coloured:
        kept.items, kept.shelf = items, canvas
    return canvas


def _draw_reaches(canvas: Canvas, story: Story, at_s: float, wrapping: Wrapping) -> None:
    """Arms with what they hold, before everything on the gondola."""
    for reach in story.reaches:
        palm = reach.palm(at_s)
        if palm is None:
            continue
        elbow = palm + reach.elbow
        draw_arm(canvas, reach.arm, elbow, palm)
        held = [placed for grip in reach.grips if grip.from_s <= at_s < grip.to_s for placed in grip.items]
        in_hand = [_in_hand(placed, k, len(held), palm, wrapping) for k, placed in enumerate(held)]
        draw_items(canvas, in_hand, wrapping)
        widest = max((wrapping.appearances[placed.product].width for placed in held), default=6.0)
        draw_fingers(canvas, reach.arm, elbow, palm, widest)


def _in_hand(placed: Placed, place: int, count: int, palm: Floats, wrapping: Wrapping) -> Placed:
    """Packages side by side in a hand, the middle one before the palm, somewhat fanned."""
    look = wrapping.appearances[placed.product]
    beside = place - (count - 1) / 2
    middle = palm + np.array([beside * 0.8 * look.width, 0.8 * abs(beside), -look.depth / 2 - 0.5])
    rotation = turned(0.12 * beside, 0.0, -0.14 * beside)
    return Placed(placed.item, placed.product, middle - rotation[:, 1] * look.height / 2, rotation)
