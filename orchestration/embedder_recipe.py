"""The recipe of an embedder's base checkpoint: what is drawn and how it is trained, and the recipe of the weights it began from.

A recipe that was kept beside weights can be run again: from those it began from if there are any, else its chain from nothing.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.detector.embedder_config import EmbedderConfig
from orchestration.package_crops import CropsConfig


class RecipeError(ValueError):
    """A recipe that cannot be read or run; the message says what stops it and the remedy."""


class BaseConfig(BaseModel):
    """What the base checkpoint is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_world: int = Field(7_000, ge=0, description="seed of the first world; the others follow")
    worlds: int = Field(10, ge=1, le=1_000, description="worlds, each of other packages")
    held_world: int = Field(7_100, ge=0, description="seed of the world on which the curve is measured")
    held_scenes: int = Field(14, ge=1, le=1_000, description="scenes of it, shelves and as many counters")
    held_crops: int = Field(600, ge=1, description="crops of it that are named for each point of the curve")
    held_photos: int = Field(3, ge=1, le=100, description="photos from which each of its products is enrolled")
    seed: int = Field(0, ge=0, description="of the training")
    every: int = Field(100, ge=1, description="steps between points of the curve, and checkpoints")
    crops: CropsConfig = CropsConfig()


class BeganFrom(BaseModel):
    """Weights that a training went on from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="[0-9a-f]{64}", description="of their file")
    recipe: "Recipe | None" = Field(None, description="as it lay beside them; none beside a stranger's weights")


class Recipe(BaseModel):
    """What was asked, `data`, `embedder` and `began_from`, and what came of it, which a run does not read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: str = "python -m orchestration.embedder_base"
    data: BaseConfig = BaseConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    crops: int | None = None
    identities: int | None = None
    coarse_labels: tuple[str, ...] | None = None
    side: int | None = Field(None, description="pixels of a crop in the last steps")
    versions: dict[str, str] | None = None
    python: str | None = None
    ran_as: str | tuple[str, ...] | None = Field(
        None, description="a person's note: where that run was not one of these"
    )
    began_from: BeganFrom | None = None

    def told(self) -> dict[str, Any]:
        """As JSON has it; what is not known is left out."""
        found = self.model_dump(mode="json", exclude={"began_from"})
        kept = {name: value for name, value in found.items() if value is not None}
        if self.began_from is not None:
            recipe = self.began_from.recipe
            kept["began_from"] = {"sha256": self.began_from.sha256, "recipe": recipe and recipe.told()}
        return kept


def read_recipe(path: Path) -> Recipe:
    """A recipe as one was written. Errors: RecipeError for a file that is none."""
    try:
        return Recipe.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RecipeError(
            f"{path}: no recipe of an embedder ({error}); give the JSON file beside a checkpoint"
        ) from error
