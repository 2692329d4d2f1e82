"""The name of prices in registry and settings, and their Config."""

from typing import TYPE_CHECKING

from orchestration.settings import Settings

if TYPE_CHECKING:
    from models.pricing.config import Config

MODEL = "pricing"


def pricing_config(settings: Settings) -> "Config":
    """The Config of pricing with the overrides of `params.yaml`."""
    from models.pricing.config import Config

    return Config(**settings.section(MODEL))
