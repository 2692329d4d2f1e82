"""Every knob of the embedder and of its training."""

from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Stage(BaseModel):
    """A part of the training: pictures of one side, for so many steps; what is not told is as in the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(ge=16, le=512, description="pixels of a crop")
    steps: int = Field(ge=1, le=10_000_000, description="gradient steps")
    batch: int | None = Field(None, ge=2, le=4_096, description="crops of a step")
    coarse_weight: float | None = Field(None, ge=0, le=100, description="of the mean loss over coarse labels")
    closer_share: float | None = Field(None, ge=0, le=1, description="chance of a part seen closer")


class AugmentConfig(BaseModel):
    """What training does to a crop, so that light, lens and box may differ. Not mirrored: words do not read backwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirror_share: float = Field(0.0, ge=0, le=1, description="chance of mirroring: for goods without words, as fruit")
    closer_share: float = Field(
        0.0, ge=0, le=1, description="chance of a part seen closer: small print is learnt large"
    )
    closer: float = Field(2.0, ge=1, le=8, description="times that it is seen closer at most")
    degrees: float = Field(5.0, ge=0, le=180, description="standard deviation of the turn")
    zoom: float = Field(0.08, ge=0, le=1, description="standard deviation of the logarithm of the scale")
    stretch: float = Field(0.04, ge=0, le=1, description="standard deviation of the logarithm of width over height")
    shift: float = Field(0.03, ge=0, le=0.5, description="standard deviation of the shift each way, share of the side")
    brightness: float = Field(0.2, ge=0, le=2, description="standard deviation of log brightness")
    tint: float = Field(0.08, ge=0, le=1, description="standard deviation of log of each colour")
    contrast: float = Field(0.12, ge=0, le=1, description="standard deviation of log contrast")
    blur_share: float = Field(0.25, ge=0, le=1, description="chance of blur")
    blur_px: float = Field(1.0, ge=0, le=10, description="widest blur, standard deviation, pixels of a side of 64")
    noise: float = Field(4.0, ge=0, le=64, description="widest noise, standard deviation, grey levels of 255")
    erase_share: float = Field(0.35, ge=0, le=1, description="chance that a rectangle hides a part (Zhong et al. 2020)")
    erase_area: float = Field(0.2, ge=0, le=0.9, description="largest share of the square that is hidden")


@dataclass(frozen=True)
class Moment:
    """What holds at a step: side of the crops, how many, what is done to them, weight of the coarse labels, and crops `seen`
    before it."""

    side: int
    batch: int
    augment: AugmentConfig
    coarse_weight: float
    seen: int


class EmbedderConfig(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blocks: tuple[int, int, int, int] = Field(
        (3, 4, 6, 3), description="bottlenecks of the four stages; the default is ResNet50, fewer are for tests"
    )
    width: int = Field(256, ge=8, le=4_096, description="D, numbers of an embedding")
    stages: tuple[Stage, ...] = Field(
        (Stage(side=64, steps=1_000), Stage(side=96, steps=600)),
        min_length=1,
        max_length=16,
        description="small pictures first, as most is learnt on them at half the cost (Tan and Le 2021)",
    )
    batch: int = Field(64, ge=2, le=4_096, description="crops of a gradient step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="highest, of AdamW")
    proxy_rate: float = Field(
        10.0, gt=0, le=1_000, description="times that for proxies, which move fast (Teh et al. 2020, ProxyNCA++)"
    )
    weight_decay: float = Field(0.05, ge=0, le=1, description="of AdamW, on convolutions and the projection alone")
    warm_up: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the rate rises")
    cool_down: float = Field(0.4, ge=0, le=1, description="share of the steps in which it falls to 0; level between")
    scale: float = Field(20.0, gt=0, le=200, description="of cosines as logits: 1 / temperature")
    margin: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="cosine by which the own proxy must lead (Wang et al. 2018, CosFace), risen to by half",
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target that is spread over identities")
    coarse_weight: float = Field(
        4.0,
        ge=0,
        le=100,
        description="of the mean loss over coarse labels, where there are some; on the twin 4 taught faster than 0.5",
    )
    averaging: float = Field(0.99, ge=0, lt=1, description="decay a step of the averaged weights, which are kept")
    clip: float = Field(5.0, gt=0, le=1_000, description="longest gradient")
    augment: AugmentConfig = AugmentConfig()
    half: bool = Field(True, description="bfloat16 where torch's autocast takes it: twice as fast on CPUs that have it")
    imprinted: int = Field(
        4,
        ge=0,
        le=1_000,
        description="crops of each identity at whose mean its proxy begins, where there are weights to go on from; 0 = at random",
    )
    threads: int = Field(1, ge=1, le=64, description="of torch while training; another number may round otherwise")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> Moment:
        """What holds at a step counted from 0; beyond the end, what would follow."""
        seen, left, number = 0, step, 0
        while left >= (stage := self.stages[number]).steps and number + 1 < len(self.stages):
            seen += stage.steps * (stage.batch or self.batch)
            left, number = left - stage.steps, number + 1
        batch = stage.batch or self.batch
        weight = self.coarse_weight if stage.coarse_weight is None else stage.coarse_weight
        augment = self.augment
        if stage.closer_share is not None:
            augment = augment.model_copy(update={"closer_share": stage.closer_share})
        return Moment(stage.side, batch, augment, weight, seen + left * batch)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.warm_up + self.cool_down > 1:
            raise ValueError(f"warm_up {self.warm_up} + cool_down {self.cool_down} lie above 1: lower one")
        if min(self.blocks) < 1 or max(self.blocks) > 64:
            raise ValueError(f"blocks {self.blocks} lie outside [1, 64]: ResNet50 has (3, 4, 6, 3)")
        return self
