"""What product recognition is asked and what it answers: bounded, unknown fields refused."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from models.detector.pose import Pose
from serving.schema_base import Breaker, CardReply, PageReply, Reply, Request

PICTURES_MAX, PHOTOS_MAX = 8, 20
PICTURE_CHARACTERS = 16_000_000  # 12 MB as base64
EXAMPLE_PRODUCT, EXAMPLE_PICTURE = "P00001", "PICTURE"  # the API page shows ones that work in their places

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Picture = Annotated[str, StringConstraints(min_length=1, max_length=PICTURE_CHARACTERS)]
_FILE = "A JPEG, PNG or WebP file as base64 (RFC 4648, section 4)."


class RecogniseRequest(Request):
    """Pictures in which items are to be found and named."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"pictures": [EXAMPLE_PICTURE]}}
    )

    pictures: list[Picture] = Field(min_length=1, max_length=PICTURES_MAX, description=_FILE)
    cameras: list[Pose] | None = Field(
        default=None,
        max_length=PICTURES_MAX,
        description="Where the camera of each picture stands, all looking at one scene at one moment: what several see is then named "
        "by all of them, and `thing` tells which boxes are one package.",
    )

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.cameras is not None and len(self.cameras) != len(self.pictures):
            raise ValueError(
                f"{len(self.cameras)} cameras for {len(self.pictures)} pictures: give one for each, or leave them out"
            )
        return self


class AnnotateRequest(Request):
    """A picture to be sent back with boxes and names drawn into it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"picture": EXAMPLE_PICTURE}})

    picture: Picture = Field(description=_FILE)


class EnrolRequest(Request):
    """Photos of one product, to be known from now on."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"product": EXAMPLE_PRODUCT, "photos": [EXAMPLE_PICTURE]}},
    )

    product: Id
    photos: list[Picture] = Field(
        min_length=1,
        max_length=PHOTOS_MAX,
        description=f"{_FILE} Five from all sides are wise; each shows the product alone.",
    )
    force: bool = Field(
        default=False, strict=True, description="Enrol it although the photos look like another product's."
    )


class RemoveRequest(Request):
    """A product to be forgotten."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"product": EXAMPLE_PRODUCT}})

    product: Id


class Found(Reply):
    """An item, in pixels of the upright picture."""

    left_px: float
    top_px: float
    right_px: float
    bottom_px: float
    score: float = Field(description="How sure it is an item at all, 0 to 1.")
    product: str | None = Field(description="Null where it is none that the gallery knows.")
    confidence: float = Field(description="Calibrated chance that the name is right, 0 to 1.")
    thing: int | None = Field(
        description="Alike in all pictures that show one package; null where no cameras were given."
    )


class Seen(Reply):
    """One picture."""

    width_px: int
    height_px: int
    items: list[Found] | None = Field(
        description="Best-scored first; null where the model did not answer: ask a person."
    )


class RecogniseReply(Reply):
    """Items of each picture, in the order of the request, and who found them."""

    served_by: str = Field(description="`champion ID`, or `fallback:person`: somebody must look.")
    breaker: Breaker
    artifact_id: str
    registry_version: str
    pictures: list[Seen]
    notes: list[str] = Field(description="What a reader must know: degraded.")


class AnnotateReply(Reply):
    """A picture with boxes and names, and who found them."""

    served_by: str = Field(description="As of `RecogniseReply`.")
    picture: str | None = Field(description="JPEG as base64; null where the model did not answer: ask a person.")
    items: int | None = Field(description="Drawn; null as above.")
    notes: list[str]


class GalleryReply(Reply):
    """A change of the gallery; services take it over within seconds."""

    product: str
    photos: int = Field(description="Taken in; 0 where it was taken out.")
    by: str
    release: str
    products: int = Field(description="In the gallery now.")
    warnings: list[str]


class ProductsPage(PageReply):
    """Products of the gallery in the order of their ids."""

    products: list[str]


class DetectorCard(CardReply):
    """Which champion answers, what it knows, and whether something is wrong."""

    products: int = Field(description="In the gallery.")
    vectors: int = Field(description="Of those.")
    enrolled: int = Field(description="Photos that people enrolled since it was trained.")
    side_px: int | None = Field(description="Pixels of the square in which items are looked for.")
