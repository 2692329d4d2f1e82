"""Every knob of the customers and their online shop, with unit, bounds and default.

Strengths are standard deviations on the log-odds scale of a click, unless their text says otherwise. The defaults were
calibrated on seeds 11 to 13 and then left alone; tests keep the bands they were chosen for.
"""

from pydantic import Field

from sources.twin.knobs import Knobs


class TasteParams(Knobs):
    """What customers like, and how items differ, before anything moves."""

    circles: int = Field(6, ge=1, le=50, description="number of circles of like-minded customers within a region")
    circle_taste: float = Field(0.6, ge=0, le=3, description="taste for a category that a circle shares")
    own_taste: float = Field(0.35, ge=0, le=3, description="taste for a category that is the customer's own")
    styles: int = Field(3, ge=0, le=16, description="number of style dimensions beside the categories")
    style_taste: float = Field(0.15, ge=0, le=3, description="appeal of an item's style to a customer")
    quality: float = Field(0.35, ge=0, le=3, description="lasting quality of an item")
    device_taste: float = Field(0.25, ge=0, le=3, description="lasting effect of device and category together")
    hour_taste: float = Field(0.25, ge=0, le=3, description="lasting effect of part of the day and category together")
    weather_strength: float = Field(1.0, ge=0, le=10, description="times the categories' response to warmth and rain")
    price_sensitivity: float = Field(
        1.0, ge=0, le=8, description="mean log-odds lost per unit of log relative price; segments scale it"
    )
    novelty: float = Field(0.6, ge=0, le=4, description="log-odds that an item gains on the day of its launch")
    novelty_days: float = Field(14.0, gt=0, le=120, description="days after which a third of the novelty is left")


class DriftParams(Knobs):
    """What moves with the weeks: a strength of 0 stops that movement."""

    memory_per_week: float = Field(0.85, ge=0, lt=1, description="autocorrelation of every movement a week apart")
    category: float = Field(0.8, ge=0, le=3, description="trend of a category, common to all customers")
    fashion: float = Field(
        0.55, ge=0, le=3, description="fashion of a brand within a category, common to all customers"
    )
    item: float = Field(0.1, ge=0, le=3, description="trend of a single item, common to all customers")
    segment: float = Field(0.15, ge=0, le=3, description="trend of a category within one segment")
    device: float = Field(0.85, ge=0, le=3, description="trend of a category on one device")
    hour: float = Field(0.85, ge=0, le=3, description="trend of a category in one part of the day")
    taste: float = Field(0.15, ge=0, le=3, description="walk of a customer's taste in each dimension")


class SocialParams(Knobs):
    """Who knows whom, and who moves whom."""

    friends: float = Field(8.0, ge=0, le=100, description="mean number of friends")
    fame_tail: float = Field(2.3, gt=1, le=10, description="Pareto exponent of degree: lower means larger hubs")
    homophily: float = Field(
        0.75, ge=0, le=1, description="chance that a friend is sought in the own circle and region, not anywhere"
    )
    persuasion: float = Field(0.07, ge=0, le=1, description="mean chance that a customer persuades a given friend")
    persuasion_spread: float = Field(1.5, ge=0, le=3, description="standard deviation of log persuasiveness")
    susceptibility_spread: float = Field(0.3, ge=0, le=2, description="standard deviation of log susceptibility")
    dilution: float = Field(
        0.8, ge=0, le=1, description="power of degree by which a tie weakens: 1 means that friends share one attention"
    )
    word_of_mouth: float = Field(
        0.6,
        ge=0,
        le=1,
        description="times the tie's strength: chance that a friend follows a purchase with the same one",
    )
    follow_within_days: int = Field(5, ge=1, le=30, description="longest wait before a friend follows, days")
    pull: float = Field(
        0.5, ge=0, le=20, description="log-odds gained per unit of strength of friends who just bought it"
    )
    pull_days: float = Field(4.0, gt=0, le=60, description="days after which a third of that pull is left")


class ChoiceParams(Knobs):
    """From being shown to being bought."""

    threshold: float = Field(
        1.4, ge=-5, le=10, description="log-odds against clicking an average item that is looked at"
    )
    position_decay: float = Field(
        0.5, ge=0, le=3, description="power by which examination falls: position k is looked at with (1 + k)^-power"
    )
    fatigue: float = Field(0.35, ge=0, le=5, description="log-odds lost per recent impression of the item")
    fatigue_days: float = Field(3.0, gt=0, le=60, description="days after which a third of that fatigue is left")
    cart_rate: float = Field(
        0.55, ge=0, le=1, description="mean chance that a click goes on to the cart, before segments"
    )
    buy_rate: float = Field(0.75, ge=0, le=1, description="mean chance that a cart is paid, before segments")


class PlainPolicyParams(Knobs):
    """The shop's own recommendations: popular items with a logged randomisation."""

    epsilon: float = Field(0.15, ge=0, le=1, description="share of slates that are a random order of all items")
    temperature: float = Field(
        0.4, gt=0, le=10, description="log clicks-per-impression over which an item is e times less likely to be shown"
    )
    memory_days: float = Field(60.0, gt=0, le=3650, description="days after which a third of a click is remembered")


class OnlineParams(Knobs):
    """Customers and the online shop. `customers: 0` leaves them out altogether."""

    customers: int = Field(2_000, ge=0, le=1_000_000, description="number of customers of the online shop; 0 = no shop")
    sessions_per_customer_day: float = Field(
        0.6, gt=0, le=5, description="mean visits of an active customer a day; segments scale it"
    )
    slate_size: int = Field(8, ge=1, le=100, description="items shown in a session, fewer if fewer are available")
    batch_hours: int = Field(4, ge=1, le=24, description="hours of requests that a policy answers at once")
    joining_share: float = Field(0.15, ge=0, le=0.9, description="share of customers who register after the start")
    joining_days: int = Field(365, ge=1, le=3650, description="days from the start within which they register")
    online_only_share: float = Field(0.25, ge=0, le=1, description="share of customers without a home store")
    out_of_stock_share: float = Field(0.03, ge=0, le=0.9, description="chance that an item is unavailable on a day")
    promotion_share: float = Field(0.25, ge=0, le=1, description="chance that an item is cheaper online for a week")
    promotion_depth: float = Field(
        0.4, ge=0, le=0.8, description="largest discount of such a week, fraction of list price"
    )
    taste: TasteParams = TasteParams()
    drift: DriftParams = DriftParams()
    social: SocialParams = SocialParams()
    choice: ChoiceParams = ChoiceParams()
    plain_policy: PlainPolicyParams = PlainPolicyParams()
