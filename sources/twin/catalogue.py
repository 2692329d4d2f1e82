"""Stores and products: what the tables say of them and, apart from that, their planted demand parameters."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.categories import BRANDS, CATEGORIES, FORMATS
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams

NEVER_ENDS = np.iinfo(np.int32).max
_TOWNS = ("Aarlund", "Brévigny", "Castelão", "Dörfel", "Esbjær", "Fontaine", "Grünau", "Hålta", "Îlemont", "Jørlev")


def day_number(day: object) -> int:
    """Days since 1970-01-01 of a date."""
    return int(np.datetime64(str(day), "D").astype(np.int64))


@dataclass(frozen=True)
class Stores:
    """Columns of the stores, each (S,); `opened` in days since 1970, `hours` (S, 2) in hours of the day."""

    ids: list[str]
    names: list[str]
    region: Ints
    format: Ints
    area_m2: Floats
    opened: Ints
    hours: Ints
    level: Floats
    price_factor: Floats
    weekly: Floats  # (S, 7), Monday first


@dataclass(frozen=True)
class Products:
    """Columns of the products, each (P,); planted demand parameters beside what the tables show."""

    ids: list[str]
    names: list[str]
    receipt_texts: list[str]
    category: Ints
    brand: Ints
    unit_cost: Floats
    list_price: Floats
    shelf_life_days: Ints
    weight_g: Floats
    supplier: Ints
    lead_time_days: Ints
    launched: Ints
    ended: Ints  # NEVER_ENDS where not ended
    level: Floats
    intermittent: Bools
    elasticity: Floats
    promotion_uplift: Floats
    dispersion: Floats
    trend_per_year: Floats
    yearly_amplitude: Floats
    yearly_peak_day: Floats
    weekly: Floats  # (P, 7) log deviation from the format's profile


@dataclass(frozen=True)
class Catalogue:
    """Stores, products and the cells between them: `base` (S, P) mean units a day, `carried` (S, P)."""

    stores: Stores
    products: Products
    base: Floats
    carried: Bools

    def active(self, day: int) -> Bools:
        """Cells (S, P) on sale on a day: store open by then, product launched and not ended, and carried."""
        opened = (self.stores.opened <= day)[:, None]
        on_sale = ((self.products.launched <= day) & (day <= self.products.ended))[None, :]
        return np.asarray(self.carried & opened & on_sale)


def build_catalogue(params: TwinParams, random: KeyedRandom) -> Catalogue:
    """All stores and products of a world; each entity's values hang on its own number alone."""
    stores = _stores(params, random)
    products = _products(params, random)
    s, p = np.arange(params.stores)[:, None], np.arange(params.products)[None, :]
    affinity = np.exp(0.35 * random.normal("cell.affinity", s, p) - 0.35**2 / 2)
    carries = np.array([FORMATS[f].carries for f in stores.format])[:, None] * params.demand.assortment_share
    carried = random.uniform("cell.carried", s, p) < carries
    # The first store carries everything, so that no product is without a shelf.
    carried[0] = True
    return Catalogue(stores, products, stores.level[:, None] * products.level[None, :] * affinity, carried)


def _stores(params: TwinParams, random: KeyedRandom) -> Stores:
    s = np.arange(params.stores)
    start = day_number(params.start)
    # The first four stores show each format once; later ones are drawn.
    drawn = random.integers("store.format", 0, len(FORMATS), s)
    kind = np.where(s < len(FORMATS), s % len(FORMATS), drawn)
    formats = [FORMATS[k] for k in kind]
    area = np.array([f.area_m2 for f in formats])
    late = (random.uniform("store.opens_late", s) < params.assortment.opening_share) & (s >= 3)
    inside = start + np.floor((0.1 + 0.6 * random.uniform("store.opening", s)) * params.assortment.window_days)
    before = start - random.integers("store.age", 400, 6000, s)
    weekly = np.array([f.weekly for f in formats]) ** params.demand.weekly_strength
    return Stores(
        ids=[f"S{i + 1:04d}" for i in s],
        names=[f"{_TOWNS[i % len(_TOWNS)]} {f.name} {i // len(_TOWNS) + 1}" for i, f in zip(s, formats, strict=True)],
        region=s % params.regions,
        format=kind,
        area_m2=np.round(area[:, 0] + random.uniform("store.area", s) * (area[:, 1] - area[:, 0]), 1),
        opened=np.where(late, inside, before).astype(np.int64),
        hours=np.array([(f.opens_hour, f.closes_hour) for f in formats], dtype=np.int64),
        level=np.array([f.level for f in formats]) * np.exp(0.25 * random.normal("store.level", s)),
        price_factor=np.array([f.price for f in formats]),
        weekly=weekly,
    )


def _products(params: TwinParams, random: KeyedRandom) -> Products:
    p = np.arange(params.products)
    demand = params.demand
    category = p % params.categories
    of = [CATEGORIES[c] for c in category]
    variant = p // params.categories
    brand = random.integers("product.brand", 0, len(BRANDS), p)
    weight = np.array(
        [c.weights_g[int(u * len(c.weights_g))] for c, u in zip(of, random.uniform("product.weight", p), strict=True)]
    )
    labels = [f"{c.items[v % len(c.items)]} {BRANDS[b]}" for c, v, b in zip(of, variant, brand, strict=True)]
    price = np.array([c.price for c in of]) * np.exp(0.4 * random.normal("product.price", p))
    list_price: Floats = np.maximum(np.round(price, 1) - 0.01, 0.29)
    margin = 0.20 + 0.25 * random.uniform("product.margin", p)
    keeps = np.array([c.shelf_life_days for c in of], dtype=np.float64)
    shelf_life = np.floor(
        keeps[:, 0] + random.uniform("product.shelf_life", p) * (keeps[:, 1] - keeps[:, 0] + 1)
    ).astype(np.int64)
    lead = np.where(
        shelf_life <= 20, random.integers("product.lead_fresh", 1, 3, p), random.integers("product.lead", 2, 8, p)
    )
    launched, ended = _lifetimes(params, random)
    intermittent = random.uniform("product.intermittent", p) < demand.intermittent_share
    regular = demand.median_units * np.exp(demand.level_spread * random.normal("product.level", p))
    slow = 0.15 + 0.45 * random.uniform("product.slow_level", p)
    elasticity = (
        demand.elasticity * np.array([c.elasticity for c in of]) * (1 + 0.2 * random.normal("product.elasticity", p))
    )
    return Products(
        ids=[f"P{i + 1:05d}" for i in p],
        names=[f"{label} {w:.0f} g" for label, w in zip(labels, weight, strict=True)],
        receipt_texts=labels,
        category=category,
        brand=brand,
        unit_cost=np.round(list_price * (1 - margin), 2),
        list_price=np.round(list_price, 2),
        shelf_life_days=shelf_life,
        weight_g=weight,
        supplier=category * 3 + random.integers("product.supplier", 0, 3, p),
        lead_time_days=lead,
        launched=launched,
        ended=ended,
        level=np.where(intermittent, slow, np.minimum(regular, 200 * demand.median_units)),
        intermittent=intermittent,
        elasticity=np.clip(elasticity, 0.3 * demand.elasticity, 2.0 * demand.elasticity),
        promotion_uplift=demand.promotion_uplift * (0.6 + 0.8 * random.uniform("product.uplift", p)),
        dispersion=demand.dispersion * (0.5 + random.uniform("product.dispersion", p)),
        trend_per_year=demand.trend_per_year * random.normal("product.trend", p),
        yearly_amplitude=np.array([c.yearly for c in of])
        * demand.yearly_strength
        * (0.7 + 0.6 * random.uniform("product.yearly", p)),
        yearly_peak_day=np.array([c.peak_day for c in of]) + 10.0 * random.normal("product.peak", p),
        weekly=0.04 * demand.weekly_strength * random.normal("product.weekly", p[:, None], np.arange(7)[None, :]),
    )


def _lifetimes(params: TwinParams, random: KeyedRandom) -> tuple[Ints, Ints]:
    """First and last day on sale, (P,) each, in days since 1970."""
    p = np.arange(params.products)
    start, window = day_number(params.start), params.assortment.window_days
    launches = random.uniform("product.launches", p) < params.assortment.launched_share
    inside = start + np.floor((0.10 + 0.50 * random.uniform("product.launch_day", p)) * window)
    before = start - random.integers("product.age", 100, 2000, p)
    launched = np.where(launches, inside, before).astype(np.int64)
    ends = random.uniform("product.ends", p) < params.assortment.ended_share
    # An end comes late enough after the latest launch for every product to have a history.
    last = start + np.floor((0.80 + 0.18 * random.uniform("product.end_day", p)) * window)
    return launched, np.where(ends, last, NEVER_ENDS).astype(np.int64)
