"""A shelf that several cameras, scales and antennas watch, as a shop tells the box: where each stands and what lies where (JSON)."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from models.common.protocols import InputError
from models.detector.observed import MOST_DETECTIONS, MOST_EVIDENCE, Shelf
from models.detector.pose import Pose

MAX_BYTES = 8 << 20
PRODUCTS_AT_ONCE = MOST_EVIDENCE // MOST_DETECTIONS  # of which a fusion bears numbers for as many boxes as it takes
MOST_PLANNED = 300  # of them on a shelf where more may come: the rest is for what does not belong there
MOST_TAGS_BY_BOARDS = 50_000  # 150 MB while a window is fused
Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Lane(_Told):
    """Where one product is planned."""

    board: int = Field(ge=0, le=1_000, description="number of the board, lowest first")
    product: Key
    left_cm: float
    right_cm: float


class ShelfSpec(_Told):
    """One stretch of shelf. Cameras go by the names that the command gives them."""

    name: Key = Field(description="what its events name as their camera")
    boards_cm: tuple[float, ...] = Field(min_length=1, max_length=100, description="height of each, lowest first")
    lanes: tuple[Lane, ...] = Field(min_length=1, max_length=2_000)
    weight_g: dict[Key, Annotated[float, Field(gt=0)]] = Field(
        min_length=1, max_length=5_000, description="of one package of each product that may come here"
    )
    cameras: dict[Key, Pose] = Field(min_length=1, max_length=16)
    tags: dict[Key, Key] = Field(default_factory=dict, max_length=5_000, description="RFID tag -> product")
    sensors: Path | None = Field(
        default=None, description="file of readings that the scales' and antennas' driver adds to"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> "ShelfSpec":
        for lane in self.lanes:
            if lane.board >= len(self.boards_cm):
                raise ValueError(f"a lane on board {lane.board}, there are {len(self.boards_cm)}: count from 0")
        strangers = ({lane.product for lane in self.lanes} | set(self.tags.values())) - self.weight_g.keys()
        if strangers:
            raise ValueError(f"no weight_g for {sorted(strangers)[:5]}: tell the weight of every product")
        if len(self.weight_g) > PRODUCTS_AT_ONCE and len(self.planned) > MOST_PLANNED:
            raise ValueError(
                f"{len(self.planned)} products are planned where {len(self.weight_g)} may come, {MOST_PLANNED} are the bound "
                f"beyond {PRODUCTS_AT_ONCE}: tell each part of the shelf in a file of its own, or fewer products"
            )
        if len(self.tags) * len(self.boards_cm) > MOST_TAGS_BY_BOARDS:
            raise ValueError(
                f"{len(self.tags)} tags by {len(self.boards_cm)} boards are {len(self.tags) * len(self.boards_cm)}, "
                f"{MOST_TAGS_BY_BOARDS} are the bound: tell each part of the shelf in a file of its own"
            )
        return self

    @cached_property
    def products(self) -> tuple[str, ...]:
        """In the order of their numbers."""
        return tuple(self.weight_g)

    @cached_property
    def planned(self) -> frozenset[str]:
        """Products that have a lane."""
        return frozenset(lane.product for lane in self.lanes)

    def shelf_of(self, products: Sequence[str]) -> Shelf:
        """As the fusion takes it, `products` numbered in their order; all that are planned must be among them."""
        number = {product: place for place, product in enumerate(products)}
        return Shelf(
            np.array([lane.board for lane in self.lanes]),
            np.array([number[lane.product] for lane in self.lanes]),
            np.array([lane.left_cm for lane in self.lanes]),
            np.array([lane.right_cm for lane in self.lanes]),
            np.array(self.boards_cm),
            np.array([self.weight_g[product] for product in products]),
        )


def read_shelf(file: Path) -> ShelfSpec:
    """The shelf told in `file`; InputError says what is wrong with it."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{file} has {file.stat().st_size} bytes, {MAX_BYTES} are the bound: tell one shelf in a file"
            )
        return ShelfSpec.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give the file that tells of the shelf") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{file}: {where}: {first['msg']}; mend the file that tells of the shelf") from error
