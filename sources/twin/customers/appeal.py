"""How much an item appeals to a customer at a moment: the utility of which clicks are made. All of it is truth.

utility = taste(t) . item + quality + trends(t) - price sensitivity x log relative price + context + novelty
          + pull of friends - fatigue
"""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.categories import CATEGORIES
from sources.twin.customers.drifting import Drifting
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.population import Population
from sources.twin.customers.protocol import DEVICES, Requests
from sources.twin.customers.segments import SEGMENTS, of_segments
from sources.twin.customers.setting import Setting
from sources.twin.customers.state import OnlineState
from sources.twin.keyed_random import KeyedRandom
from sources.twin.weather import WeatherDays

PARTS_OF_DAY = 4  # night, morning, afternoon, evening: six hours each


@dataclass(frozen=True)
class DayAppeal:
    """The appeal of one day: `taste` (N, D), `common` (M,), `by_segment` (G, C), `by_device` (V, C), `by_part` (H, C),
    `by_weather` (R, C), `log_price` (M,) relative to the list price."""

    taste: Floats
    common: Floats
    by_segment: Floats
    by_device: Floats
    by_part: Floats
    by_weather: Floats
    log_price: Floats


class Appeal:
    """Utilities of one shop. Sizes: N customers, M items, D tastes, C categories, G segments, R requests, K places."""

    def __init__(self, params: OnlineParams, setting: Setting, people: Population, random: KeyedRandom) -> None:
        self._params = params
        self._people = people
        items, taste, drift = setting.items, params.taste, params.drift
        self._items = items
        i, c = np.arange(len(items)), np.arange(setting.categories)[None, :]
        # Items of one brand and category share half of their style.
        house = items.category * 1000 + items.brand
        styles = np.arange(taste.styles)[None, :]
        style = np.sqrt(0.5) * random.normal("online.house_style", house[:, None], styles)
        style += np.sqrt(0.5) * random.normal("online.style", i[:, None], styles)
        style *= taste.style_taste / np.sqrt(max(taste.styles, 1))
        #: Item factors (M, D): category membership and style.
        self.factors: Floats = np.concatenate([np.eye(setting.categories)[items.category], style], axis=1)
        self._quality = taste.quality * random.normal("online.quality", i)

        def fixed(domain: str, strength: float, rows: int) -> Floats:
            return strength * random.normal(domain, np.arange(rows)[:, None], c)

        self._device = fixed("online.device_category", taste.device_taste, len(DEVICES))
        self._part = fixed("online.hour_category", taste.hour_taste, PARTS_OF_DAY)
        kinds = CATEGORIES[: setting.categories]
        self._warmth = taste.weather_strength * np.array([kind.warmth for kind in kinds])
        self._rain = taste.weather_strength * np.array([kind.rain for kind in kinds])

        def moving(domain: str, *ids: Ints) -> Drifting:
            return Drifting(random, domain, drift.memory_per_week, *ids)

        def by_category(domain: str, rows: int) -> Drifting:
            return moving(domain, np.arange(rows)[:, None], c)

        n, d = np.arange(len(people))[:, None], np.arange(self.factors.shape[1])[None, :]
        self._walk = moving("online.walk", n, d)
        self._category_trend = moving("online.category_trend", c[0])
        self._houses, self._house_of = np.unique(house, return_inverse=True)
        self._fashion = moving("online.fashion", self._houses)
        self._item_trend = moving("online.item_trend", i)
        self._segment_trend = by_category("online.segment_trend", len(SEGMENTS))
        self._device_trend = by_category("online.device_trend", len(DEVICES))
        self._part_trend = by_category("online.hour_trend", PARTS_OF_DAY)
        self._click = of_segments("click")

    def on(self, day: int, price: Floats, weather: WeatherDays) -> DayAppeal:
        """The appeal of a day with unit prices (M,) and its weather (regions, 1)."""
        drift, items = self._params.drift, self._items
        age = np.maximum(day - items.launched, 0)
        novelty = self._params.taste.novelty * np.exp(-age / self._params.taste.novelty_days)
        trends = drift.fashion * self._fashion.on(day)[self._house_of] + drift.item * self._item_trend.on(day)
        category = drift.category * self._category_trend.on(day)
        warm = np.clip(weather.departure_c[:, 0] / 10.0, -1.5, 1.5)[:, None] * self._warmth[None, :]
        wet = np.minimum(weather.rain_mm[:, 0], 30.0)[:, None] / 10.0 * self._rain[None, :]
        return DayAppeal(
            taste=self._people.taste + drift.taste * self._walk.on(day),
            common=self._quality + novelty + trends + category[items.category],
            by_segment=drift.segment * self._segment_trend.on(day) + self._click[:, None],
            by_device=self._device + drift.device * self._device_trend.on(day),
            by_part=self._part + drift.hour * self._part_trend.on(day),
            by_weather=warm + wet,
            log_price=np.log(price / items.list_price),
        )

    def utilities(self, today: DayAppeal, state: OnlineState, requests: Requests) -> Floats:
        """Utility (R, M) of every item for every request, with what is remembered in `state`."""
        who = requests.customer
        liking = today.taste[who]
        categories = today.by_segment.shape[1]
        liking[:, :categories] += (
            today.by_segment[self._people.segment[who]]
            + today.by_device[requests.device]
            + today.by_part[requests.hour * PARTS_OF_DAY // 24]
            + today.by_weather[requests.region]
        )
        # One matrix product: the price is one more factor of the items, the sensitivity to it one more taste.
        liking = np.concatenate([liking, -self._people.price_sensitivity[who, None]], axis=1)
        factors = np.concatenate([self.factors, today.log_price[:, None]], axis=1)
        utility: Floats = liking @ factors.T + today.common[None, :]
        utility += self._params.social.pull * state.pull[who]
        utility -= self._params.choice.fatigue * state.fatigue[who]
        return utility

    def click_chances(self, utilities: Floats, items: Ints) -> Floats:
        """Chance (R, K) of a click on each item of slates (R, K), of utilities (R, M) over all items."""
        return np.asarray(
            self.examination(items.shape[1])[None, :] * self.attraction(np.take_along_axis(utilities, items, axis=1))
        )

    def attraction(self, utility: Floats) -> Floats:
        """Chance of a click on an item that is looked at."""
        return np.asarray(1.0 / (1.0 + np.exp(self._params.choice.threshold - utility)))

    def examination(self, places: int) -> Floats:
        """Chance that a position is looked at, (K,)."""
        return np.asarray((1.0 + np.arange(places)) ** -self._params.choice.position_decay)


def web_prices(params: OnlineParams, setting: Setting, random: KeyedRandom, day: int) -> Floats:
    """Unit price (M,) online: the list price, or less in a week of promotion."""
    i = np.arange(len(setting.items))
    # Weeks of promotion begin on different weekdays, so that the whole shop does not turn over at once.
    week = (day + random.integers("online.promotion_day", 0, 7, i)) // 7
    runs = random.uniform("online.promotion", i, week) < params.promotion_share
    depth = params.promotion_depth * (0.25 + 0.75 * random.uniform("online.depth", i, week))
    price = setting.items.list_price * np.where(runs, 1.0 - depth, 1.0)
    return np.asarray(np.maximum(np.round(price, 2), 0.01))


def available_items(params: OnlineParams, setting: Setting, random: KeyedRandom, day: int) -> Bools:
    """Items (M,) that can be shown: launched, not ended, in stock; stock never leaves a shop with nothing that is on sale."""
    items = setting.items
    on_sale = (items.launched <= day) & (day <= items.ended)
    gone = random.uniform("online.out_of_stock", np.arange(len(items)), day) < params.out_of_stock_share
    return np.asarray(on_sale & ~gone) if (on_sale & ~gone).any() else on_sale
