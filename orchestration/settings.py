"""The one reader of the environment: where things lie, which source feeds the loop, and the overrides of `params.yaml`."""

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HORIZON_MAX = 42
SECTIONS = (
    "forecaster",
    "promotion",
    "recommender",
    "profiles",
    "pricing",
    "elasticity",
    "label_quality",
    "active_learning",
    "inspection",
    "belt",
    "detector",
    "cameras",
    "shop",
    "panel",
    "behaviour",
)
SOURCE_FORMS = (
    "twin | folder:PATH | rossmann:PATH | online_retail:PATH | amazon_beauty:PATH | lastfm:PATH | dunnhumby:PATH | "
    "ujiindoorloc:PATH"
)


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the value, the bound and the remedy."""


class Settings(BaseSettings):
    """Every knob of the loop, each settable as `STORELOOP_<NAME>`.

    Paths are absolute after validation; dates are ISO; sizes are GiB; horizons are periods of the source
    (days or weeks).
    """

    model_config = SettingsConfigDict(env_prefix="STORELOOP_", frozen=True, extra="forbid")

    home: Path = Field(default=Path(".storeloop"), description="Everything Storeloop writes lies under this folder.")
    source: str = Field(default="twin", description=SOURCE_FORMS)
    twin_size: Literal["tiny", "demo", "large"] = Field(default="demo", description="Preset of the twin's parameters.")
    twin_seed: int = Field(default=20260101, ge=0, le=2**63 - 1, description="Seed of the twin's world.")
    twin_params: Path | None = Field(default=None, description="YAML or JSON file that overrides the twin's preset.")
    twin_days: int | None = Field(
        default=None, ge=1, le=3_650, description="Days the twin has lived; default: as `storeloop twin` left it."
    )
    params: Path = Field(default=Path("params.yaml"), description="Overrides that each model's Config validates.")
    belt: str = Field(
        default="",
        description="Packing line that is inspected: belt (the twin's), a folder of inspections.parquet and "
        "approved_samples.parquet, or off; default: the twin's belt where the source is the twin, none otherwise.",
    )
    cameras: str = Field(
        default="",
        description="Labelled pictures that the detector learns from: twin (its cameras), the name of a set of `storeloop images`, a "
        "delivery such as yolo:FOLDER, or off; default: the twin's where the source is the twin and there are weights to begin with.",
    )
    sets_home: Path | None = Field(
        default=None,
        description="Home in which the image set lies that `cameras` names; default: home itself. An evaluation has another home.",
    )
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Seed of training and of the bootstrap.")
    cutoff: date | None = Field(
        default=None, description="First held-out period; default: the last `horizon` are held out."
    )
    horizon: int = Field(default=HORIZON_MAX, ge=1, le=HORIZON_MAX, description="Periods forecast ahead.")
    top_series: int = Field(default=500, ge=1, le=1_000_000, description="Best sellers kept of a shop without a plan.")
    peer_minutes: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="A peer that fits series one by one gets all of them where that takes fewer minutes; default: a sample.",
    )
    peer_trials: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Draws by which each peer of the recommender is tuned; `make bench` gives 20.",
    )
    memory_gb: float = Field(default=3.0, ge=0.5, le=1024, description="Memory the table engine may take, GiB.")
    pricing_instances: Path | None = Field(
        default=None,
        description="YAML or JSON file of markets that prices are learned for beside fresh goods; default: fresh goods alone.",
    )
    threads: int = Field(default=2, ge=1, le=256, description="Threads of the table engine.")
    engine: str = Field(default="duckdb://", description="Table engine: duckdb:// here, spark://... at scale.")
    online_store: str = Field(default="sqlite", description="sqlite, or a redis://host:port address.")
    pseudonym_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret behind the names that devices in the shop have for a day; from the environment alone. Default: one is "
        "drawn and kept under home for its owner.",
    )
    actor: str = Field(default="storeloop", min_length=1, max_length=100, description="Who acts, where nobody says.")

    @field_validator("home", "params", "twin_params", "pricing_instances", "sets_home")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().resolve()

    @field_validator("twin_params")
    @classmethod
    def _is_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"{path} is no file: give the twin's parameters as YAML or JSON")
        return path

    @cached_property
    def overrides(self) -> dict[str, Any]:
        """Sections of `params.yaml`, by model; without a file of that name every default holds."""
        if not self.params.is_file():
            if "params" in self.model_fields_set:
                raise SettingsError(f"{self.params} is no file: write it, or leave STORELOOP_PARAMS unset")
            return {}
        import yaml

        loaded = yaml.safe_load(self.params.read_text(encoding="utf-8")) or {}
        if not isinstance(loaded, dict) or not all(isinstance(v, dict | None) for v in loaded.values()):
            raise SettingsError(
                f"{self.params}: every top-level key must hold a mapping of overrides, such as `forecaster: {{...}}`; "
                "mend the file or point STORELOOP_PARAMS elsewhere"
            )
        if unknown := sorted(set(loaded) - set(SECTIONS)):
            raise SettingsError(f"{self.params} overrides {unknown}: known sections are {', '.join(SECTIONS)}")
        return {section: values or {} for section, values in loaded.items()}

    def section(self, name: str) -> dict[str, Any]:
        """The overrides of one section, `{}` when the file has none."""
        return dict(self.overrides.get(name, {}))
