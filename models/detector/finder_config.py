"""Every knob of the finder, the one-class YOLO that says where items are."""

from typing import Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Architecture: TypeAlias = Literal["yolo11n", "yolo11s", "yolo11m"]
ARCHITECTURES: Final[tuple[Architecture, ...]] = ("yolo11n", "yolo11s", "yolo11m")


class FinderConfig(BaseModel):
    """Knobs with unit, bounds, default and why; the defaults fine-tune our base checkpoint on a shop's pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture = Field("yolo11n", description="from scratch; what a start is of stays")
    side: int = Field(
        640, ge=32, le=2_048, multiple_of=32, description="pixels of the square that whole pictures are put in to serve"
    )
    crop: int = Field(
        384,
        ge=32,
        le=2_048,
        multiple_of=32,
        description="pixels of a training square, cut out at a picture's own scale",
    )
    epochs: int = Field(
        8,
        ge=1,
        le=10_000,
        description="after each, a run that is killed goes on; fewer than 5 unsettle the base at first",
    )
    squares: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="of an epoch, each out of the next picture; by default one of every picture",
    )
    watch_every: int = Field(1, ge=1, le=10_000, description="epochs from one look at the watched pictures to the next")
    batch: int = Field(8, ge=2, le=256, description="squares of a gradient step")
    learning_rate: float = Field(
        2.5e-4, gt=0, le=1, description="of AdamW, highest of its schedule; from scratch some 2e-3"
    )
    weight_decay: float = Field(5e-4, ge=0, le=1, description="of AdamW")
    warmup_epochs: float = Field(1, ge=0, le=100, description="passes in which the learning rate rises")
    resized_share: float = Field(0.5, ge=0, le=1, description="of the squares: not at the picture's own scale")
    smallest: float = Field(0.65, ge=0.2, le=1, description="least scale of those")
    largest: float = Field(1.5, ge=1, le=5, description="largest scale of those")
    beyond: float = Field(
        0.15, ge=0, le=0.5, description="of a square that may lie beyond the picture, as grey: serving shows such"
    )
    least_left: float = Field(
        0.25, gt=0, le=1, description="of a box's area that must lie in a square to be asked for there"
    )
    light: float = Field(0.25, ge=0, le=0.9, description="largest change of brightness, either way")
    tint: float = Field(0.1, ge=0, le=0.9, description="largest change of a colour channel, either way")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of the training's forward pass; auto: bfloat16 where the processor multiplies it, 1.6 times as fast",
    )
    threads: int = Field(1, ge=1, le=64, description="of torch while training; another number may round otherwise")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} lies above epochs {self.epochs}: lower it")
        return self
