"""Expected demand of a day, and its draw.

log expected units = base + trend + weekday + season + calendar + weather + heat + drift - elasticity log(price / list)
+ log(1 + promotion) + log(1 + recommendation) + log(share left by promoted rivals) + launch ramp.
"""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats
from sources.twin.catalogue import NEVER_ENDS, Catalogue, day_number
from sources.twin.categories import CATEGORIES
from sources.twin.holidays import Calendar
from sources.twin.keyed_random import KeyedRandom, negative_binomial
from sources.twin.params import TwinParams
from sources.twin.weather import WeatherDays

_DRIFT_KNOT_DAYS = 7
_DRIFT_MEMORY = 0.8 ** np.arange(12)
_HIGHEST_MEAN = 1e5  # units a day of one product in one store


@dataclass(frozen=True)
class DayConditions:
    """What a day's demand meets. Grids (S, P); heat (C,); weather (R, 1)."""

    price: Floats
    promotion_pull: Floats
    exposure: Floats
    weather: WeatherDays
    heat: Floats


class DemandModel:
    """Expected units (S, P) of any day under given conditions, and the units demanded."""

    def __init__(
        self, params: TwinParams, random: KeyedRandom, catalogue: Catalogue, calendar: Calendar, usual_heat: Floats
    ) -> None:
        self._params = params
        self._random = random
        self._catalogue = catalogue
        self._calendar = calendar
        self._usual_heat = usual_heat
        self._start = day_number(params.start)
        self._s = np.arange(params.stores)[:, None]
        self._p = np.arange(params.products)[None, :]
        kinds = CATEGORIES[: params.categories]
        self._warmth = np.array([c.warmth for c in kinds]) * params.demand.weather_strength
        self._rain = np.array([c.rain for c in kinds]) * params.demand.weather_strength
        self._heat = heat_elasticities(params)
        self._holiday = np.array([c.holiday for c in kinds]) * params.demand.holiday_strength
        self._break = np.array([c.school_break for c in kinds]) * params.demand.holiday_strength
        self._weekend = np.array([c.weekend for c in kinds])
        # (P, C) membership: sums over a category become one matrix product.
        self._member = np.eye(params.categories)[catalogue.products.category]
        self._knots: dict[int, Floats] = {}

    def expected(self, day: int, conditions: DayConditions) -> Floats:
        """Mean units (S, P) wanted on a day, whether or not a cell is active."""
        products, demand = self._catalogue.products, self._params.demand
        log_mean = self._calendar_effect(day)[None, :] + self._weekday_effect(day) + self._drift(day)
        log_mean += (self._sky_effect(conditions.weather) + self._heat_effect(conditions.heat))[:, products.category]
        log_mean -= products.elasticity[None, :] * np.log(conditions.price / products.list_price[None, :])
        lift = (1.0 + products.promotion_uplift[None, :] * conditions.promotion_pull) * (
            1.0 + demand.recommendation_uplift * conditions.exposure
        )
        mean = self._catalogue.base * lift * self._left_by_rivals(conditions.promotion_pull) * np.exp(log_mean)
        return np.asarray(np.minimum(mean * self._life_effect(day)[None, :], _HIGHEST_MEAN))

    def drawn(self, day: int, expected: Floats, active: Bools) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Units demanded (S, P): negative binomial around the expectation, zero outside active cells."""
        s, p = np.nonzero(active)
        u = self._random.uniform("demand.units", s, p, day)
        units = np.zeros(active.shape, dtype=np.int64)
        units[s, p] = negative_binomial(u, expected[s, p], self._catalogue.products.dispersion[p])
        return units

    def _calendar_effect(self, day: int) -> Floats:
        """Trend, season, holidays and school breaks, (P,)."""
        products, calendar = self._catalogue.products, self._calendar
        at = day - calendar.first
        years = (day - self._start) / 365.25
        year_phase = 2.0 * np.pi * (day % 365.25 - products.yearly_peak_day) / 365.25
        holiday = self._holiday * (0.35 * calendar.eve[at] - 0.45 * calendar.is_holiday[at])
        by_category = holiday + self._break * calendar.is_school_break[at]
        return np.asarray(
            products.trend_per_year * years
            + products.yearly_amplitude * np.cos(year_phase)
            + by_category[products.category]
        )

    def _weekday_effect(self, day: int) -> Floats:
        """Format's profile, stretched by the category's weekend swing, and the product's own deviation, (S, P)."""
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        products = self._catalogue.products
        swing = np.log(self._catalogue.stores.weekly[:, weekday])[:, None] * self._weekend[products.category][None, :]
        return np.asarray(swing + products.weekly[None, :, weekday])

    def _sky_effect(self, weather: WeatherDays) -> Floats:
        """Warmth and rain, (S, C)."""
        warm = np.clip(weather.departure_c[:, 0] / 10.0, -1.5, 1.5)[:, None] * self._warmth[None, :]
        wet = np.minimum(weather.rain_mm[:, 0], 30.0)[:, None] / 10.0 * self._rain[None, :]
        return np.asarray((warm + wet)[self._catalogue.stores.region])

    def _heat_effect(self, heat: Floats) -> Floats:
        return np.asarray((self._heat * np.log(np.maximum(heat, 1e-3) / self._usual_heat))[None, :])

    def _left_by_rivals(self, pull: Floats) -> Floats:
        """Share (S, P) of demand that promoted rivals of the category leave to a product."""
        promoted = (pull > 0).astype(np.float64)
        rivals = (promoted @ self._member)[:, self._catalogue.products.category] - promoted
        return np.asarray(1.0 - self._params.demand.cannibalisation * (1.0 - np.exp(-rivals)))

    def _life_effect(self, day: int) -> Floats:
        """Launches ramp up over weeks, ends fade out, (P,)."""
        products = self._catalogue.products
        age = np.maximum(day - products.launched, 0)
        left = np.where(products.ended == NEVER_ENDS, 1e6, products.ended - day)
        return np.asarray((1.0 - 0.7 * np.exp(-age / 14.0)) * np.clip(0.4 + left / 35.0, 0.4, 1.0))

    def _drift(self, day: int) -> Floats:
        """Slow unexplained level (S, P): weekly knots of a remembering series, joined by straight lines."""
        knot, into = divmod(day, _DRIFT_KNOT_DAYS)
        share = into / _DRIFT_KNOT_DAYS
        self._knots = {k: v for k, v in self._knots.items() if k in (knot, knot + 1)}
        for k in (knot, knot + 1):
            if k not in self._knots:
                self._knots[k] = self._drift_knot(k)
        return np.asarray((1.0 - share) * self._knots[knot] + share * self._knots[knot + 1])

    def _drift_knot(self, knot: int) -> Floats:
        total = np.zeros((self._params.stores, self._params.products))
        for back, weight in enumerate(_DRIFT_MEMORY):
            total += weight * self._random.normal("demand.drift", self._s, self._p, knot - back)
        return np.asarray(self._params.demand.drift * total / np.sqrt((_DRIFT_MEMORY**2).sum()))


def heat_elasticities(params: TwinParams) -> Floats:
    """Elasticity of demand to social heat over its usual level, (C,)."""
    return np.array([c.heat for c in CATEGORIES[: params.categories]]) * params.demand.heat_strength
