"""What every group of the twin's parameters is made of: frozen, bounded, unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Knobs(BaseModel):
    """A group of parameters; each field states its unit, bounds, default and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")
