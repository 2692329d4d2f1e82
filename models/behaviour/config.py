"""Every knob of dwell time and product attention."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test_share: float = Field(0.25, gt=0, lt=0.9, description="newest share of the days, judged only")
    calibrate_share: float = Field(
        0.15, gt=0, lt=0.9, description="share of the days before them that only the spread of told seconds is set on"
    )
    zone_m: float = Field(
        1.2, gt=0.2, le=5, description="metres before a gondola's front within which a person may be at it"
    )
    zone_beside_m: float = Field(0.25, ge=0, le=2, description="metres beyond its ends within which they still may be")
    recency_s: float = Field(
        5.0, gt=0, le=60, description="seconds after which a shelf event or a mat's stir has faded to 37 %"
    )
    width: int = Field(64, ge=4, le=512, description="memory cells of the LSTM each way")
    epochs: int = Field(12, ge=1, le=500, description="passes over the training paths")
    batch: int = Field(32, ge=2, le=1_024, description="paths of a gradient step")
    learning_rate: float = Field(
        1e-2, gt=0, le=1, description="highest of the one-cycle schedule (Smith and Topin 2018)"
    )
    weight_decay: float = Field(1e-3, ge=0, le=1, description="of AdamW: few people look, many weights listen")
    clip_norm: float = Field(1.0, gt=0, le=100, description="longest gradient of a step: recurrent ones burst")
    dropout: float = Field(0.2, ge=0, lt=0.9, description="share of memory cells that training hides from the heads")
    left_weight: float = Field(4.0, gt=0, le=100, description="of what is left of a stop in the loss beside attention")
    threads: int = Field(1, ge=1, le=64, description="of torch while training; another number may round otherwise")
    positions_days: int = Field(14, ge=1, le=365, description="days after which raw positions are deleted")
    group_min: int = Field(10, ge=2, le=10_000, description="visits without which no figure about a group is told")
