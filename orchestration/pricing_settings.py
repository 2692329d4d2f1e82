"""The name of prices in registry and settings, their Config, and the markets that a file tells."""

from typing import TYPE_CHECKING

from orchestration.settings import Settings

if TYPE_CHECKING:
    from models.pricing.config import Config
    from models.pricing.instances import Instance

MODEL = "pricing"


def pricing_config(settings: Settings) -> "Config":
    """The Config of pricing with the overrides of `params.yaml`."""
    from models.pricing.config import Config

    return Config(**settings.section(MODEL))


def told_markets(settings: Settings) -> "tuple[Instance, ...]":
    """The problems of the file `pricing_instances`; none where no file is named. DataError says what is wrong with it."""
    from models.common.protocols import DataError
    from models.pricing.instances import read_instances
    from models.pricing.spec import FRESH

    if (path := settings.pricing_instances) is None:
        return ()
    found = read_instances(path)
    if any(each.name == FRESH for each in found):
        raise DataError(f"{path}: a market is called {FRESH!r}, as the network of fresh goods is: rename it")
    return found
