"""The command that runs a bot: BentoML's server in its own process, telemetry off, bound where the settings say."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from models.common.telemetry import TELEMETRY_OFF
from serving.packaging import BOTS, PackagingError
from serving.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[1]


def command(target: str, settings: ServeSettings) -> list[str]:
    """Command line for a bot's name, or for a bento (`name:version`, or its folder)."""
    service = BOTS.get(target, target)
    if ":" not in service and not Path(service).is_dir():
        raise PackagingError(f"{target!r} is no bot ({', '.join(BOTS)}), no bento tag and no bento folder")
    # `--working-dir` is where BentoML looks for the service's module; paths of the settings are made absolute for it.
    where = ["--working-dir", str(ROOT)] if target in BOTS else []
    address = ["--host", str(settings.host), "--port", str(settings.port)]
    return [sys.executable, "-m", "bentoml", "serve", service, *where, *address]


def environment(settings: ServeSettings) -> Mapping[str, str]:
    """Environment of that process; what bots learn and write down lies beside the releases unless the settings say where."""
    online = settings.online or settings.releases.parent / "online"
    pricing = settings.pricing or settings.releases.parent / "pricing"
    learner = settings.learner if "learner" in settings.model_fields_set else "process"
    return {
        **os.environ,
        **TELEMETRY_OFF,
        "STORELOOP_SERVE_RELEASES": str(settings.releases.resolve()),
        "STORELOOP_SERVE_ONLINE": str(online.resolve()),
        "STORELOOP_SERVE_LEARNER": learner,
        "STORELOOP_SERVE_PRICING": str(pricing.resolve()),
    }
