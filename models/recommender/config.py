"""Every knob of the recommender."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[str, ...] = Field(
        ("purchase", "play", "rating", "interaction"),
        min_length=1,
        description="kinds of interaction that say that a customer took an item; looks and clicks say less",
    )
    category_attribute: str = Field(
        "category",
        min_length=1,
        max_length=100,
        description="attribute by which slates are varied and clicks are learned across items",
    )
    min_judged: int = Field(
        20,
        ge=2,
        le=1_000_000,
        description="customers with three items or more below which nothing can be chosen or judged",
    )
    threads: int = Field(2, ge=1, le=256, description="threads of training; another number moves results by rounding")
    max_length: int = Field(
        50, ge=2, le=500, description="newest items of a history that are read; older ones say little"
    )
    linear_items: int = Field(
        15_000,
        ge=10,
        le=30_000,
        description="items in the regression of items on items: its matrix is dense, 4 bytes a pair",
    )
    linear_customers: int = Field(
        2,
        ge=1,
        le=1_000,
        description="customers who took an item below which it stays out of the regression: one says little",
    )
    linear_neighbours: int = Field(100, ge=1, le=5_000, description="weights kept of what each item says of others")
    linear_l2: float = Field(60.0, gt=0, le=1e5, description="ridge penalty of the regression, in weighted customers")
    linear_past_decay: float = Field(
        0.7, gt=0, le=1, description="what an item counts less for each that was taken after it, among the regressors"
    )
    linear_future_decay: float = Field(
        0.5, gt=0, le=1, description="what an item counts less for each that was taken before it, among the targets"
    )
    linear_symmetric: float = Field(
        0.3, ge=0, le=10, description="weight of the regression of whole histories on themselves, which knows no order"
    )
    linear_attributes: float = Field(
        14.0, ge=0, le=1_000, description="weight of shared attributes, in customers who took both items"
    )
    linear_query_decay: float = Field(
        0.75, gt=0, le=1, description="what an item counts less for each taken after it, when scores are asked for"
    )
    width: int = Field(128, ge=8, le=1_024, multiple_of=8, description="length of item vectors of the sequence network")
    heads: int = Field(2, ge=1, le=8, description="attention heads; each has width / heads numbers")
    layers: int = Field(1, ge=1, le=8, description="attention blocks")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="share of numbers hidden in training: few events an item need much"
    )
    negatives: int = Field(2_000, ge=10, le=100_000, description="items sampled beside those of a batch in its softmax")
    batch: int = Field(256, ge=8, le=4_096, description="histories a step")
    epochs: int = Field(14, ge=1, le=200, description="times that training sees all histories")
    steps_min: int = Field(
        800, ge=1, le=100_000, description="steps below which more epochs are run: a small shop has few steps an epoch"
    )
    learning_rate: float = Field(2e-3, gt=0, le=0.1, description="highest rate of AdamW, after its warm-up")
    linear_floor: float = Field(
        0.003, gt=0, le=1, description="added to linear scores before their logarithm: what a pair nobody saw is worth"
    )
    mix_customers: int = Field(
        20_000,
        ge=10,
        le=1_000_000,
        description="customers, drawn by chance, on whom weights and ranker learn",
    )
    mix_candidates: int = Field(
        100,
        ge=10,
        le=5_000,
        description="best items of each part and of their sum that a choice of weights may re-order",
    )
    ranker_candidates: int = Field(
        60, ge=10, le=1_000, description="best items of the mix that the ranker puts in order"
    )
    ranker_hidden: int = Field(
        128, ge=4, le=1_024, description="numbers in the first layer of its deep part, half in the next"
    )
    ranker_dropout: float = Field(0.2, ge=0, lt=1, description="share of them hidden in training")
    ranker_epochs: int = Field(20, ge=0, le=500, description="times that training sees all customers; 0 = no ranker")
    ranker_rate: float = Field(2e-3, gt=0, le=0.1, description="first learning rate, falling to nothing")
    social_kept: float = Field(
        2.5, gt=0, le=100, description="items of a list that are not hidden when customers of few items are learned of"
    )
    social_customers: int = Field(
        4_000,
        ge=20,
        le=20_000,
        description="customers in the regression with friends' lists: its matrix is dense, 4 bytes a pair",
    )
    social_items: int = Field(
        5_000, ge=10, le=30_000, description="most taken items of which it tells; of the others too few lists do"
    )
    social_l2: float = Field(100.0, gt=0, le=1e5, description="ridge penalty of own items, beside that of hiding")
    social_friends: float = Field(
        0.5,
        ge=0,
        le=100,
        description="say of friends' lists in the regression: their part of a customer's likeness to itself",
    )
    social_direct: float = Field(
        0.5, ge=0, le=100, description="what an item counts that friends took, in spreads of the own items' scores"
    )
    social_neighbours: int = Field(
        400, ge=1, le=5_000, description="weights kept of what each item says of others, of own and friends' items each"
    )
    social_longest: int = Field(
        20,
        ge=0,
        le=1_000,
        description="items of a history up to which this regression may answer, where it does better; 0 = it never does",
    )
