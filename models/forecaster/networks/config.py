"""Every knob of the networks, with unit, bounds, default and why."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.forecaster.config import NetworkKind

KINDS: tuple[NetworkKind, ...] = ("lstm", "lstm_gan", "transformer")


class NetworkConfig(BaseModel):
    """How a network is built and fitted. What ends a fit are counts, never a clock, so that the bytes can be repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = Field(default=64, ge=4, le=512, description="width of a step; time grows with its square")
    lstm_layers: int = Field(default=1, ge=1, le=4, description="LSTMs on top of each other, each in both directions")
    transformer_layers: int = Field(default=2, ge=1, le=8, description="attention blocks on top of each other")
    heads: int = Field(default=4, ge=1, le=16, description="attention heads; must divide `hidden`")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="share of a step's width silenced in training")
    series_width: int = Field(
        default=32,
        ge=0,
        le=256,
        description="numbers learnt of each series, by which its response to a step differs from that of all; 0: none. On "
        "Rossmann's 42 days from 2015-05-09 one LSTM beside the trees had an RMSPE of 0.1013, 0.1005 and 0.1002 without "
        "(three seeds), with 8 of them 0.0993, 0.0995 and 0.1000, with 16 0.0985 and 0.0990, with 32 0.0985",
    )
    min_pairs_of_series: float = Field(
        default=5.0,
        ge=0,
        le=1e6,
        description="training pairs a series in the mean, below which nothing is learnt of single series: it would be learnt by "
        "heart. 10 and 27 were tried (weekly revenue of 3,015 series, Rossmann)",
    )
    series_dropout: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the pairs whose series is hidden in training, so that a series nobody knows is no surprise",
    )
    feature_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the features of a pair hidden in training, which makes gaps at serving less of a surprise; on "
        "Rossmann's validation periods 0.05 gave the same RMSPE as none (0.125, 0.124; 15,000 pairs, one seed)",
    )
    max_pairs: int = Field(
        default=30_000,
        ge=10,
        le=500_000,
        description="bound on training pairs (whole horizons), a seeded sample beyond it; rare days want many: on Rossmann's "
        "validation periods 15,000 and 30,000 gave the LSTM an RMSPE of 0.124 and 0.115 (one seed)",
    )
    validation_pairs: int = Field(
        default=2_000, ge=5, le=100_000, description="bound on the pairs that early stopping looks at"
    )
    batch_pairs: int = Field(default=128, ge=1, le=4_096, description="pairs of one gradient step")
    epochs: int = Field(default=7, ge=1, le=500, description="passes over the training pairs in one cycle of the rate")
    patience: int = Field(
        default=4, ge=1, le=500, description="epochs without gain on the validation pairs before it stops"
    )
    learning_rate: float = Field(
        default=3e-3, gt=0, le=1, description="peak of the one-cycle learning rate (Smith and Topin 2019)"
    )
    averaging_epochs: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="epochs over which weights are averaged (exponentially) into those that are kept: the newest alone jump",
    )
    weight_decay: float = Field(default=1e-2, ge=0, le=10, description="decoupled shrinkage of weights (AdamW)")
    gradient_bound: float = Field(default=1.0, gt=0, le=1e3, description="norm beyond which a gradient is cut")
    input_bound: float = Field(
        default=5.0, gt=0, le=100, description="spreads from the median beyond which an input counts as that far"
    )
    max_categories: int = Field(
        default=31,
        ge=0,
        le=366,
        description="a feature of whole numbers with at most so many values gets a column for each: weekdays are no amounts",
    )
    refit: bool | None = Field(
        default=None,
        description="go on fitting on the validation periods too; None: where values are no whole units, as for the trees",
    )
    refit_epochs: int = Field(
        default=2,
        ge=1,
        le=500,
        description="epochs of going on. On Rossmann's 42 days from 2015-05-09 two LSTMs fitted until the 42 before them had "
        "an RMSPE of 0.110 and 0.106, fitted anew on those too 0.111 and 0.109, gone on for two epochs 0.109 and 0.105",
    )
    refit_learning_rate: float = Field(
        default=1e-3, gt=0, le=1, description="peak rate of going on: a third of the first, or what was learnt is lost"
    )
    ensemble: int = Field(
        default=3,
        ge=1,
        le=16,
        description="networks of other seeds and samples whose average is the member of a blend; time grows with it, and an "
        "error that no two of them share goes: on those 42 days the average of two had an RMSPE of 0.104, of three 0.102",
    )
    quantile_weight: float = Field(default=1.0, gt=0, le=100, description="pinball losses beside the loss of the mean")
    adversarial_weight: float = Field(
        default=0.02,
        ge=0,
        le=10,
        description="the critic's say beside the other losses; its gradient per path is about 1",
    )
    critic_hidden: int = Field(default=16, ge=2, le=256, description="width of the critic's LSTM")
    critic_learning_rate: float = Field(default=1e-3, gt=0, le=1, description="constant rate of the critic")
    gradient_penalty: float = Field(
        default=10.0, ge=0, le=1e3, description="pull of the critic's slope towards 1 (Gulrajani 2017 take 10)"
    )

    def going_on(self) -> "NetworkConfig":
        """As this, for a network that has been fitted already."""
        return self.model_copy(update={"epochs": self.refit_epochs, "learning_rate": self.refit_learning_rate})

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> "NetworkConfig":
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}: choose one that is")
        return self
