"""The customers: what the CRM says of them and, apart from that, their segment, taste and price sensitivity."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.protocol import DEVICES
from sources.twin.customers.segments import LAPSED_VISITS, LAPSES_AFTER_DAYS, SEGMENTS, of_segments
from sources.twin.customers.setting import Setting
from sources.twin.keyed_random import KeyedRandom

NO_STORE = -1
_DEVICE_SHARES = (0.45, 0.25, 0.08, 0.22)
_KNOWN_BIRTH_YEARS, _KNOWN_DEVICES, _CONSENT = 0.7, 0.8, 0.6
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Population:
    """Customers as columns (N,), for D = categories + styles dimensions of taste.

    Of the CRM: `number` as in the tills' customer ids, `registered` in days since 1970, `region`, `home_store` (NO_STORE
    if none), `birth_year` and `device` with `tells_birth_year` and `tells_device`, `consents`.
    Truth: `segment`, `circle` (like-minded customers of a region), `taste` (N, D), `price_sensitivity`, `lapses` (day
    since 1970), `visit_rate` a day before lapsing.
    """

    number: Ints
    registered: Ints
    region: Ints
    home_store: Ints
    birth_year: Ints
    device: Ints
    tells_birth_year: Bools
    tells_device: Bools
    consents: Bools
    segment: Ints
    circle: Ints
    taste: Floats
    price_sensitivity: Floats
    lapses: Ints
    visit_rate: Floats

    def __len__(self) -> int:
        return len(self.number)

    def visits_on(self, day: int) -> Floats:
        """Mean visits of each customer (N,) on a day: none before registration, hardly any after lapsing."""
        left = np.where(day >= self.lapses, LAPSED_VISITS, 1.0)
        return np.asarray(self.visit_rate * left * (self.registered <= day))


def build_population(params: OnlineParams, setting: Setting, random: KeyedRandom) -> Population:
    """All customers; each one's values hang on their own number in the row alone."""
    n = np.arange(params.customers)
    home, number = _homes(params, setting, random)
    region = random.integers("online.region", 0, setting.regions, n)
    with_home = np.flatnonzero(home != NO_STORE)
    region[with_home] = setting.store_region[home[with_home]]
    segment = _drawn("online.segment", of_segments("share"), random, n)
    circle = random.integers("online.circle", 0, params.taste.circles, n)
    late = random.uniform("online.joins_late", n) < params.joining_share
    joined = setting.start + random.integers("online.joins", 1, params.joining_days + 1, n)
    before = setting.start - random.integers("online.member_for", 1, 1500, n)
    registered: Ints = np.where(late, joined, before)
    stops = np.array([s.stops for s in SEGMENTS])[segment]
    after = random.integers("online.lapses", *LAPSES_AFTER_DAYS, n)
    # The mean over segments of visits is the parameter, whatever the segments' shares are.
    visits = of_segments("visits") / (of_segments("visits") * of_segments("share")).sum()
    own_pace = np.exp(0.2 * random.normal("online.pace", n) - 0.02)
    own_thrift = np.exp(0.2 * random.normal("online.thrift", n) - 0.02)
    return Population(
        number=number,
        registered=registered,
        region=region,
        home_store=home,
        birth_year=np.clip(np.round(1980 + 15 * random.normal("online.birth", n)), 1930, 2006).astype(np.int64),
        device=_drawn("online.device", np.array(_DEVICE_SHARES), random, n),
        tells_birth_year=random.uniform("online.tells_birth", n) < _KNOWN_BIRTH_YEARS,
        tells_device=random.uniform("online.tells_device", n) < _KNOWN_DEVICES,
        consents=random.uniform("online.consents", n) < _CONSENT,
        segment=segment,
        circle=circle,
        taste=_tastes(params, setting, random, region, circle),
        price_sensitivity=params.taste.price_sensitivity * of_segments("price")[segment] * own_thrift,
        lapses=np.where(stops, np.maximum(registered, setting.start) + after, _NEVER).astype(np.int64),
        visit_rate=params.sessions_per_customer_day * visits[segment] * own_pace,
    )


def device_used(random: KeyedRandom, preferred: Ints, customer: Ints, day: int, turn: Ints) -> Ints:
    """Device of each session (R,) of a day: mostly the preferred one, else any."""
    session = (customer, day, turn)
    stays = random.uniform("online.device_stays", *session) < 0.85
    return np.asarray(
        np.where(stays, preferred, random.integers("online.device_used", 0, len(DEVICES), *session)), dtype=np.int64
    )


def _homes(params: OnlineParams, setting: Setting, random: KeyedRandom) -> tuple[Ints, Ints]:
    """Home store (N,) and number in customer ids (N,).

    Tills number the customers of store s from s * customers_per_store on; those without a home store come after all.
    """
    n = np.arange(params.customers)
    stores, each = len(setting.store_ids), setting.customers_per_store
    if stores == 0:
        return np.full(n.shape, NO_STORE), n
    rank = n // stores
    at_home = (random.uniform("online.only", n) >= params.online_only_share) & (rank < each)
    home = np.where(at_home, n % stores, NO_STORE)
    return home, np.where(at_home, home * each + rank, stores * each + n)


def _drawn(domain: str, shares: Floats, random: KeyedRandom, n: Ints) -> Ints:
    cumulative = np.cumsum(shares / shares.sum())[:-1]
    return np.searchsorted(cumulative, random.uniform(domain, n), side="right").astype(np.int64)


def _tastes(params: OnlineParams, setting: Setting, random: KeyedRandom, region: Ints, circle: Ints) -> Floats:
    """Taste (N, D): categories are shared within a circle of a region and partly one's own, styles are one's own."""
    n, c = np.arange(params.customers)[:, None], np.arange(setting.categories)[None, :]
    g = np.arange(params.taste.styles)[None, :]
    shared = random.normal("online.circle_taste", region[:, None], circle[:, None], c)
    own = random.normal("online.taste", n, c)
    categories = params.taste.circle_taste * shared + params.taste.own_taste * own
    return np.concatenate([categories, random.normal("online.style_taste", n, g)], axis=1)
