"""The floor of a shop as the page draws it and as deeds are placed on it: metres, x along the wall with the gates, y into the room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.common.protocols import InputError
from serving.settlement.shop_events import Name

FILE = "floor.json"  # in the folder `shop` of Storeloop's home
LARGEST_FILE = 4 << 20  # bytes
Metres = Annotated[float, Field(ge=0, le=1_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lane(_Part):
    """A stretch of board planned for one product, `left_m` to `right_m` to the right of the gondola's middle for who faces it."""

    product: Name
    level: int = Field(ge=0, le=50, description="boards from below")
    left_m: float = Field(ge=-50, le=50)
    right_m: float = Field(ge=-50, le=50)


class Gondola(_Part):
    """A stretch of shelf: (`x_m`, `y_m`) the middle of its front edge, (`to_x`, `to_y`) the unit direction of its customers."""

    name: Name = Field(description="as events name the shelf")
    x_m: Metres
    y_m: Metres
    to_x: float = Field(ge=-1, le=1)
    to_y: float = Field(ge=-1, le=1)
    width_m: float = Field(gt=0, le=50)
    depth_m: float = Field(gt=0, le=5)
    lanes: tuple[Lane, ...] = Field(default=(), max_length=1_000)


class ShopFloor(_Part):
    """The plan. `names` are products as people call them; `cameras` says at which gondola each camera looks, as `BOX/CAMERA`."""

    width_m: float = Field(gt=0, le=1_000)
    depth_m: float = Field(gt=0, le=1_000)
    entrance_m: Metres = Field(description="x of the middle of the entrance")
    exit_m: Metres = Field(description="x of the middle of the exit")
    walls: tuple[tuple[Metres, Metres, Metres, Metres], ...] = Field(
        default=(), max_length=1_000, description="inner walls: x and y of both ends"
    )
    gondolas: tuple[Gondola, ...] = Field(default=(), max_length=1_000)
    names: Mapping[Name, Title] = Field(default_factory=dict, max_length=100_000)
    cameras: Mapping[Title, Name] = Field(default_factory=dict, max_length=10_000)

    def name_of(self, product: str) -> str:
        """What people call a product; its id where it has no name."""
        return self.names.get(product, product)


def read_floor(file: Path) -> ShopFloor | None:
    """The plan in a file; None where there is no such file, InputError where it holds none."""
    if not file.exists():
        return None
    if (size := file.stat().st_size) > LARGEST_FILE:
        raise InputError(f"{file}: {size:,} bytes, {LARGEST_FILE:,} is the bound of a floor plan")
    try:
        return ShopFloor.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "plan"
        raise InputError(f"{file}: {where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
