"""The twin's online shop as `models.profiles.evaluate` may ask it: campaigns, and the true segments. Nothing else reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datetime import date

    from sources.twin.customers.shop import OnlineShop


@dataclass(frozen=True)
class TwinCampaigns:
    """Campaigns in the online shop `shop` as of `day`."""

    shop: "OnlineShop"
    day: "date"

    def converted(self, customer_ids: Sequence[str], draw: int) -> int:
        """Conversions of a campaign seeded at these customers."""
        seeds = np.array([self._number[customer] for customer in customer_ids], dtype=np.int64)
        return len(self.shop.campaign(self.day, seeds, campaign=draw))

    def best(self, count: int) -> Sequence[str]:
        """Who together reach most, by the true strengths among customers who are registered."""
        from sources.twin.catalogue import day_number
        from sources.twin.customers.campaign import best_seeds

        network = self.shop.network
        here = self.shop.people.registered <= day_number(self.day)
        both = here[network.source] & here[network.target]
        there = replace(network, strength=np.where(both, network.strength, 0.0))
        seeds = [seed for seed in best_seeds(there, count + int((~here).sum())).tolist() if here[seed]]
        return [self._ids[seed] for seed in seeds[:count]]

    @cached_property
    def segments(self) -> Mapping[str, str]:
        """Name of the true segment of each customer."""
        from sources.twin.customers.segments import SEGMENTS

        return {
            name: SEGMENTS[segment].name
            for name, segment in zip(self._ids, self.shop.truth.segment.tolist(), strict=True)
        }

    @cached_property
    def _ids(self) -> list[str]:
        from sources.twin.customers.tables import customer_ids

        return customer_ids(self.shop.people.number)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._ids)}


def twin_campaigns(source: Any) -> TwinCampaigns | None:
    """Those of a twin with customers; None for every other source."""
    from sources.twin.catalogue import build_catalogue
    from sources.twin.customers.setting import Setting
    from sources.twin.customers.shop import OnlineShop
    from sources.twin.keyed_random import KeyedRandom
    from sources.twin.source import TwinSource

    if not isinstance(source, TwinSource) or not source.params.online.customers:
        return None
    params, seed = source.params, source.seed
    setting = Setting.of_world(params, build_catalogue(params, KeyedRandom(seed)))
    return TwinCampaigns(OnlineShop(params.online, seed, setting), params.last_day)
