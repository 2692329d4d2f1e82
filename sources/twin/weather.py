"""Weather by region, and its forecast as issued; any day can be asked for without the days before it."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.keyed_random import KeyedRandom

FORECAST_DAYS = 10
_MEMORY_DAYS = 20  # weights of older shocks are below 2 % of the newest
_WET_SHARE_Z = 0.4  # standard normal quantile above which a day is wet: about a third of the days


@dataclass(frozen=True)
class WeatherDays:
    """Arrays (R, D): temperature in degrees Celsius, its departure from the season's normal, rain in millimetres."""

    temp_c: Floats
    departure_c: Floats
    rain_mm: Floats


class Weather:
    """Temperature: yearly swing plus weather that remembers (autocorrelation 0.8 a day). Rain: wet spells."""

    def __init__(self, random: KeyedRandom, regions: int) -> None:
        self._random = random
        self._regions = np.arange(regions)[:, None]
        self._mean = 10.5 + 2.5 * random.normal("weather.mean", self._regions)
        self._swing = 9.0 + random.normal("weather.swing", self._regions)

    def on(self, days: Ints) -> WeatherDays:
        """Weather of days (D,), given in days since 1970."""
        year = 2.0 * np.pi * (days[None, :] - 200) / 365.25
        normal = self._mean + self._swing * np.cos(year)
        departure = 3.5 * self._remembering("weather.temp", days, 0.8)
        wetness = self._remembering("weather.wet", days, 0.5)
        amount = -7.0 * np.log(self._random.uniform("weather.rain", self._regions, days[None, :]))
        rain: Floats = np.where(wetness > _WET_SHARE_Z, np.minimum(amount, 150.0), 0.0)
        temp = np.clip(normal + departure, -55.0, 55.0)
        return WeatherDays(np.round(temp, 1), departure, np.round(rain, 1))

    def forecast(self, issued: int) -> WeatherDays:
        """Forecast issued on a day for the next FORECAST_DAYS days; errors grow with the lead."""
        lead = np.arange(1, FORECAST_DAYS + 1)
        days = issued + lead
        truth = self.on(days)
        keys = (self._regions, issued, days[None, :])
        error = (0.5 + 0.3 * lead) * self._random.normal("forecast.temp", *keys)
        # Rain is either forecast with a scatter, or (the oftener the further ahead) taken from another day altogether.
        missed = self._random.uniform("forecast.rain_missed", *keys) < 0.03 * lead
        other = self.on(days - 7 * 365).rain_mm
        scatter = np.exp(0.08 * lead * self._random.normal("forecast.rain", *keys))
        rain: Floats = np.where(missed, other, np.minimum(truth.rain_mm * scatter, 900.0))
        temp = np.clip(truth.temp_c + error, -60.0, 60.0)
        departure: Floats = truth.departure_c + error
        return WeatherDays(np.round(temp, 1), departure, np.round(rain, 1))

    def _remembering(self, domain: str, days: Ints, memory: float) -> Floats:
        """Standard normal series (R, D) with autocorrelation `memory` a day, by a moving average of keyed shocks."""
        back = np.arange(_MEMORY_DAYS)
        weights = memory**back
        shocks = self._random.normal(domain, self._regions[:, :, None], days[None, :, None] - back)
        return np.asarray(shocks @ (weights / np.sqrt((weights**2).sum())))
