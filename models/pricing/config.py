"""Every knob of pricing."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.pricing.guardrails import Rules
from models.pricing.instances import CHEAPEST, DEAREST


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("fresh_prices")
    @classmethod
    def _ladder(cls, prices: tuple[float, ...]) -> tuple[float, ...]:
        ordered = tuple(sorted(set(prices)))
        if len(ordered) != len(prices) or 1.0 not in ordered or ordered[0] < CHEAPEST or ordered[-1] > DEAREST:
            raise ValueError(
                f"{prices}: give each price once, {CHEAPEST} to {DEAREST} times list price, 1.0 among them"
            )
        return ordered

    shelves: int = Field(256, ge=1, le=10_000, description="shelves simulated in step: more cost less time a step")
    steps: int = Field(
        32_000, ge=1, le=10_000_000, description="gradient steps a market; 32,000 take about 35 s on one core"
    )
    steps_a_round: int = Field(8, ge=1, le=100, description="gradient steps after each period of all shelves")
    batch: int = Field(
        32, ge=1, le=100_000, description="situations a gradient step, each with the outcomes of all prices"
    )
    buffer: int = Field(60_000, ge=100, le=10_000_000, description="situations kept to draw from")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="of Adam at the start; it falls in a straight line")
    hidden: int = Field(96, ge=4, le=4_096, description="width of the network's two layers")
    target_rate: float = Field(
        0.02, gt=0, le=1, description="share of the way to the network that its target goes each step: at 0.005 worth of the last "
        "periods had not reached the first of 60 by the end"
    )  # fmt: skip
    explore_from: float = Field(1.0, ge=0, le=1, description="share of shelves that try any price, at the start")
    explore_to: float = Field(0.1, ge=0, le=1, description="share of shelves that try any price, from explore_share on")
    explore_share: float = Field(0.4, gt=0, le=1, description="share of training over which exploration falls")
    start_anywhere: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of episodes that start in any period with any stock, so that rare ones are known",
    )
    ensemble: int = Field(
        1, ge=1, le=1_000, description="plausible demand models that episodes are drawn from; 1: the one told"
    )
    elasticity_error: float = Field(
        0.0, ge=0, le=2, description="standard error of the log of elasticity, which the ensemble spans"
    )
    fresh_prices: tuple[float, ...] = Field(
        (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1),
        min_length=2,
        max_length=64,
        description="of fresh goods, over list price, which is among them",
    )
    fresh_discount: float = Field(
        0.95,
        ge=0,
        lt=1,
        description="weight of a day beside the day before it: an order's goods last for days, not for months",
    )
    waste_weight: float = Field(
        0.3,
        ge=0,
        le=10,
        description="what a fresh unit thrown away counts for beside its cost and disposal, in unit costs: at 0.5 a third less "
        "is thrown away than at 0, for about 1 % of margin",
    )
    essential_categories: tuple[str, ...] = Field(
        ("bakery", "dairy", "produce"), description="categories whose fresh goods are never above list price"
    )
    fresh_rules: Rules = Field(Rules(), description="limits of fresh goods' prices, see guardrails.py")
    fresh_steps: int = Field(
        16_000,
        ge=1,
        le=10_000_000,
        description="gradient steps of the network of all fresh goods",
    )
    fresh_peer_steps: int = Field(
        2_000, ge=0, le=10_000_000, description="gradient steps of its peer, of many more outcomes each; 0: no peer"
    )
    fresh_shelves: int = Field(2_000, ge=10, le=100_000, description="shelves that rules for fresh goods are judged on")
    fresh_days: int = Field(28, ge=1, le=3_650, description="days that rules for fresh goods are judged over")
    peer_steps: int = Field(
        32_000, ge=0, le=10_000_000, description="gradient steps of the peer a market, as many as ours; 0: no peer"
    )
    peer_batch: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="outcomes a gradient step of the peer; none: as many as ours, all prices counted",
    )
    tuning_episodes: int = Field(2_000, ge=10, le=1_000_000, description="episodes by which simple rules are tuned")
    judged_episodes: int = Field(
        20_000, ge=10, le=10_000_000, description="episodes a policy is judged by where the exact program does not fit"
    )
    threads: int = Field(1, ge=1, le=256, description="threads of training; another number moves results by rounding")

    @property
    def target_rate_a_round(self) -> float:
        """Share of the way that the target goes at the end of a round."""
        return min(1.0, self.target_rate * self.steps_a_round)
