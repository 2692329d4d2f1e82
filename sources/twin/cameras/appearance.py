"""What a package looks like: shape, size, colours, layout of its label, art and words, each by key of brand or product.

Products of a brand look alike on purpose: they share colours, layout and pattern, those of one category also the shape. What
tells them apart is what tells line extensions apart in shops: the art, one accent colour and the words.
"""

import colorsys
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sources.twin.catalogue import Products
from sources.twin.categories import BRANDS, CATEGORIES
from sources.twin.keyed_random import KeyedRandom

Shape: TypeAlias = Literal["carton", "can", "bottle", "jar", "tub", "pouch", "tray"]
Colour: TypeAlias = tuple[int, int, int]  # red, green, blue, 0 to 255

ROUND: frozenset[Shape] = frozenset({"can", "bottle", "jar", "tub"})
ACCENTS: tuple[Colour, ...] = (
    (206, 38, 48), (236, 148, 28), (92, 164, 52), (38, 116, 196), (142, 62, 140), (122, 74, 40),
)  # fmt: skip
MOTIFS = 16
ARRANGEMENTS = 6
LAYOUTS = 5
PATTERNS = 4
_SHAPES: dict[str, tuple[Shape, ...]] = {
    "dairy": ("tub", "bottle", "carton"),
    "bakery": ("pouch", "tray", "carton"),
    "produce": ("jar", "pouch", "tray"),
    "beverages": ("bottle", "can", "carton"),
    "ice_cream": ("tub", "carton"),
    "snacks": ("pouch", "carton", "can"),
    "household": ("bottle", "carton", "pouch"),
    "hot_drinks": ("jar", "carton", "can", "pouch"),
}
# Width, height and depth relative to one another; round packages are as deep as they are wide.
_RATIOS: dict[Shape, tuple[float, float, float]] = {
    "carton": (1.0, 1.6, 0.45),
    "can": (1.0, 1.75, 1.0),
    "bottle": (1.0, 2.9, 1.0),
    "jar": (1.0, 1.35, 1.0),
    "tub": (1.0, 0.95, 1.0),
    "pouch": (1.0, 1.35, 0.3),
    "tray": (1.5, 0.5, 1.1),
}
_GLOSS: dict[Shape, float] = {
    "carton": 0.25, "can": 0.9, "bottle": 0.8, "jar": 0.8, "tub": 0.4, "pouch": 0.7, "tray": 0.5,
}  # fmt: skip
_ASPECTS = 5  # steps of height over width of round packages
_LIGHT_CATEGORIES = {"bakery", "snacks", "hot_drinks"}  # a gram of them fills about three times the room of water
_WIDTH_CM, _HEIGHT_CM, _DEPTH_CM = (5.0, 17.0), (5.5, 28.0), (3.0, 16.0)


@dataclass(frozen=True)
class Appearance:
    """One product's package. Sizes in cm; `art` keys what is drawn freely; `gloss` 0 matt to 1 mirror-like."""

    product: int
    shape: Shape
    width: float
    height: float
    depth: float
    base: Colour
    second: Colour
    accent: Colour
    layout: int
    pattern: int
    motif: int
    arrangement: int
    logo: int
    art: int
    brand: str
    item: str
    amount: str
    gloss: float
    weight_g: float

    @property
    def is_round(self) -> bool:
        """Whether the package is a body of revolution."""
        return self.shape in ROUND


class Appearances:
    """The packages of a catalogue's `products`, of which each hangs on the seed and on products numbered no higher: a longer
    catalogue adds packages and changes none."""

    def __init__(self, seed: int, products: Products) -> None:
        self.seed = seed
        self.ids = tuple(products.ids)
        self._random = KeyedRandom(seed)
        codes = self._art_codes(products)
        self._of = tuple(self._appearance(products, number, codes[number]) for number in range(len(products.ids)))

    def __len__(self) -> int:
        return len(self._of)

    def __getitem__(self, product: int) -> Appearance:
        if not 0 <= product < len(self._of):
            raise IndexError(f"product number {product} is not in 0 to {len(self._of) - 1}; raise cameras.products")
        return self._of[product]

    def _art_codes(self, products: Products) -> list[int]:
        """Accent and motif of each product as one number, never twice in a brand while there are any left."""
        kinds = len(ACCENTS) * MOTIFS
        drawn = self._random.integers("cameras.art_code", 0, kinds, np.arange(len(products.ids)))
        taken: dict[int, set[int]] = {}
        codes = []
        for brand, wanted in zip(products.brand.tolist(), drawn.tolist(), strict=True):
            used = taken.setdefault(brand, set())
            if len(used) == kinds:
                used.clear()
            code = wanted
            while code in used:
                code = (code + 1) % kinds
            used.add(code)
            codes.append(code)
        return codes

    def _appearance(self, products: Products, number: int, code: int) -> Appearance:
        brand, category = int(products.brand[number]), int(products.category[number])
        kind = CATEGORIES[category].name
        options = _SHAPES[kind]
        shape = options[int(self._random.integers("cameras.shape", 0, len(options), brand, category))]
        base, second = self._brand_colours(brand)
        weight = float(products.weight_g[number])
        width, height, depth = self._size(number, shape, weight * (3.0 if kind in _LIGHT_CATEGORIES else 1.1))
        words = products.receipt_texts[number].removesuffix(f" {BRANDS[brand]}")
        return Appearance(
            product=number,
            shape=shape,
            width=width,
            height=height,
            depth=depth,
            base=base,
            second=second,
            accent=ACCENTS[code % len(ACCENTS)],
            layout=int(self._random.integers("cameras.layout", 0, LAYOUTS, brand)),
            pattern=int(self._random.integers("cameras.pattern", 0, PATTERNS, brand)),
            motif=code // len(ACCENTS),
            arrangement=int(self._random.integers("cameras.arrangement", 0, ARRANGEMENTS, number)),
            logo=int(self._random.integers("cameras.logo", 0, MOTIFS, brand)),
            art=int(self._random.integers("cameras.art", 0, 2**31, number)),
            brand=BRANDS[brand],
            item=words,
            amount=f"{weight:.0f} g",
            gloss=_GLOSS[shape],
            weight_g=weight,
        )

    def _brand_colours(self, brand: int) -> tuple[Colour, Colour]:
        """A brand's ground and its second colour. Golden-ratio steps of hue, so that brands do not all fall together; some
        brands print on white or cream."""
        start = float(self._random.uniform("cameras.hue"))
        hue = (start + 0.618034 * brand) % 1.0
        pale = float(self._random.uniform("cameras.pale", brand)) < 0.4
        depth = float(self._random.uniform("cameras.depth", brand))
        strong = colorsys.hsv_to_rgb(hue, 0.6 + 0.35 * depth, 0.45 + 0.4 * depth)
        light = colorsys.hsv_to_rgb(hue, 0.07 + 0.1 * depth, 0.97)
        ground, other = (light, strong) if pale else (strong, light)
        return _bytes(ground), _bytes(other)

    def _size(self, number: int, shape: Shape, volume: float) -> tuple[float, float, float]:
        ratios = np.array(_RATIOS[shape])
        bulk = ratios.prod() * (np.pi / 4 if shape in ROUND else 1.0)
        stretch = np.exp(0.08 * self._random.normal("cameras.stretch", number, np.arange(3)))
        sizes = ratios * (volume / bulk) ** (1 / 3) * stretch
        limits = (_WIDTH_CM, _HEIGHT_CM, _DEPTH_CM)
        width, height, depth = (float(np.clip(s, *limit)) for s, limit in zip(sizes, limits, strict=True))
        if shape in ROUND:
            # Round packages come in few proportions, as their moulds do; that also saves drawing each anew.
            return width, width * round(height / width * _ASPECTS) / _ASPECTS, width
        return width, height, depth


def _bytes(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
