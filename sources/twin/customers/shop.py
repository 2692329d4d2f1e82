"""The online shop, which lives day by day under a recommendation policy and shows what a shop would see."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import day_number
from sources.twin.customers.appeal import Appeal, available_items, web_prices
from sources.twin.customers.campaign import Conversions, run_campaign
from sources.twin.customers.choices import Choices
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.policies import PopularityPolicy, count_answers, fading
from sources.twin.customers.population import build_population
from sources.twin.customers.protocol import RecommendationPolicy, Requests
from sources.twin.customers.recording import Recorder
from sources.twin.customers.records import PURCHASE, Events, Impressions, OnlineDay
from sources.twin.customers.setting import Setting
from sources.twin.customers.slates import check_slates
from sources.twin.customers.social import build_network
from sources.twin.customers.state import OnlineState
from sources.twin.customers.truth import Moment, OnlineTruth
from sources.twin.customers.visits import Visits, follow_up_visits, joined, own_visits, session_number
from sources.twin.customers.word_of_mouth import WordOfMouth
from sources.twin.keyed_random import KeyedRandom
from sources.twin.weather import Weather, WeatherDays


@dataclass(frozen=True)
class Offer:
    """What the shop has on a day: `price` (M,), `available` (M,), and the `weather` (regions, 1) it is offered in."""

    price: Floats
    available: Bools
    weather: WeatherDays


class OnlineShop:
    """The online shop of `params` and `seed` in a setting: a world's (`Setting.of_world`) or one alone (`Setting.alone`).

    Days follow one another; `advance` makes a new `state` and leaves the old one as it was, so a kept state can be put
    back. All luck is keyed by (seed, domain, entity, day): two policies tried in one shop meet the same visits, and the
    same luck wherever they show the same item.
    """

    def __init__(self, params: OnlineParams, seed: int, setting: Setting | None = None) -> None:
        self.params = params
        self.seed = seed
        self.setting = setting or Setting.alone(seed)
        random = KeyedRandom(seed)
        self.people = build_population(params, self.setting, random)
        self.network = build_network(params, self.people, random)
        self._random = random
        self._weather = Weather(random, self.setting.regions)
        self._appeal = Appeal(params, self.setting, self.people, random)
        self._choices = Choices(params.choice, self.people, random)
        self._recorder = Recorder(random, self._choices)
        self._word_of_mouth = WordOfMouth(params.social, self.people, self.network, random)
        self.truth = OnlineTruth(self.people, self.network, self._appeal)
        self.state = OnlineState.fresh(len(self.people), len(self.setting.items))

    def advance(self, day: date, policy: RecommendationPolicy | None = None) -> OnlineDay:
        """Live through `day` under `policy` (default: the shop's plain one, which goes by popularity).

        Raises `DecisionError` for slates that cannot be shown; the shop is then as it was before.
        """
        now = day_number(day)
        state = self._morning(now)
        offer = Offer(
            price=web_prices(self.params, self.setting, self._random, now),
            available=available_items(self.params, self.setting, self._random, now),
            weather=self._weather.on(np.array([now])),
        )
        today = self._appeal.on(now, offer.price, offer.weather)
        moment = self.truth.moment = Moment(now, today, state)
        acting = policy or PopularityPolicy(
            self.params.plain_policy, self.seed, len(self.setting.items), shown=state.shown, clicked=state.clicked
        )
        visits = own_visits(self.people, self._random, now)
        impressions: list[Impressions] = []
        events: list[Events] = []
        for rows in self._batches(visits, offer):
            requests = self._requests(now, visits, rows, offer)
            slates = acting.slates(requests)
            check_slates(slates, requests, acting.name)
            chance = self._appeal.click_chances(self._appeal.utilities(today, moment.state, requests), slates.items)
            feedback = self._choices.made(requests, slates, chance, today.log_price)
            acting.feedback(feedback)
            if policy is not None:  # the plain policy has counted already: it writes to the state's own counts
                count_answers(feedback, state.shown, state.clicked)
            shown_before = sum(len(part) for part in impressions)
            impressions.append(self._recorder.impressions(feedback, rows, chance))
            events.append(self._recorder.events(feedback, rows, shown_before))
            # add.at counts an item as often as a customer saw it in the batch.
            np.add.at(state.fatigue, (requests.customer[:, None], slates.items), np.float32(1.0))
            moment.state = self._passed_on(moment.state, now, events[-1])
        coming = self._word_of_mouth.due(self.state, now, offer.available, today.log_price)
        follow_ups = follow_up_visits(self.people, self._random, now, coming.customer)
        rows = len(visits) + np.arange(len(follow_ups))
        visits = joined(visits, follow_ups)
        events.append(
            self._recorder.followed(visits, rows, self._sessions(now, visits, rows), coming.item, offer.price)
        )
        self.state = moment.state = self._passed_on(moment.state, now, events[-1])
        return OnlineDay(now, acting.name, visits, Impressions.joined(impressions), Events.joined(events))

    def campaign(
        self, day: date, seed_customers: Ints, *, campaign: int = 0, acceptance: float = 0.6, days: int = 28
    ) -> Conversions:
        """Observed conversions of an offer made on `day` to `seed_customers`; see `run_campaign`. Changes no state."""
        present = self.people.registered <= day_number(day)
        return run_campaign(
            self.network,
            self.seed,
            seed_customers,
            present=present,
            campaign=campaign,
            acceptance=acceptance,
            days=days,
        )

    def _morning(self, now: int) -> OnlineState:
        params = self.params
        return self.state.faded(
            now,
            fatigue=fading(params.choice.fatigue_days),
            pull=fading(params.social.pull_days),
            memory=fading(params.plain_policy.memory_days),
        )

    def _batches(self, visits: Visits, offer: Offer) -> Iterator[Ints]:
        """Rows of the visits that are answered at once, batch after batch; none where there is nothing to show."""
        if not offer.available.any():
            return
        batch_of = visits.hour // self.params.batch_hours
        for batch in np.unique(batch_of):
            yield np.flatnonzero(batch_of == batch)

    def _passed_on(self, state: OnlineState, now: int, events: Events) -> OnlineState:
        bought = events.kind == PURCHASE
        return self._word_of_mouth.tell(state, now, events.customer[bought], events.item[bought])

    def _sessions(self, now: int, visits: Visits, rows: Ints) -> Ints:
        return session_number(now, visits.customer[rows], visits.turn[rows], len(self.people))

    def _requests(self, now: int, visits: Visits, rows: Ints, offer: Offer) -> Requests:
        who = visits.customer[rows]
        region = self.people.region[who]
        return Requests(
            day=now,
            session=self._sessions(now, visits, rows),
            customer=who,
            time_us=visits.start_us[rows],
            hour=visits.hour[rows],
            device=visits.device[rows],
            region=region,
            temp_c=offer.weather.temp_c[region, 0],
            rain_mm=offer.weather.rain_mm[region, 0],
            available=offer.available,
            price=offer.price,
            slate_size=min(self.params.slate_size, int(offer.available.sum())),
        )
