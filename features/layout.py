"""Which features a workspace's views hold: the shape that training, the online store and serving agree on."""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# One vector per series in the online store: one row to read and to write, so that a reader never sees half an update.
STATE_VIEW = "sales_state"
ATTRIBUTES_VIEW = "series_attributes"
ONLINE_VIEW = "sales_online"


def source_file(folder: Path, view: str) -> Path:
    """The Parquet file that a view reads; `event_timestamp` in it is the moment at which the origin period ended."""
    return folder / f"{view}.parquet"


class Layout(BaseModel):
    """Names and order of the state features and of the covariates known ahead, and how many periods those cover."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frequency: Literal["daily", "weekly"]
    state_names: tuple[str, ...] = Field(min_length=1)
    covariate_names: tuple[str, ...] = ()
    horizon: int = Field(ge=1, le=366)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any name, order or length: a stale row is told by them."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:16]

    def tags(self) -> dict[str, str]:
        """The layout as tags of the Feast view, from which a reader learns it."""
        return {"layout": self.model_dump_json(), "fingerprint": self.fingerprint}
