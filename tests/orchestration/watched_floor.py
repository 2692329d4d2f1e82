"""A tiny shop that is watched for some days, by a network that learns next to nothing."""

from collections.abc import Callable
from pathlib import Path

from orchestration.settings import Settings

PARAMS = """\
shop: {floor: {crowd: {visits: 14}}}
panel: {days: 3, share: 0.8, strangers: 0.2}
behaviour: {epochs: 1, width: 6, group_min: 2, positions_days: 3}
"""
DAYS = 3
TARGET = "group:floor,group:behaviour"


def watched(make_settings: Callable[..., Settings], home: Path, **more: object) -> Settings:
    """Settings of a tiny twin of 25 days, the newest three of which are watched."""
    params = home / "watched.yaml"
    params.write_text(PARAMS, encoding="utf-8")
    return make_settings(home=home, params=params, **{"twin_days": 25, **more})
