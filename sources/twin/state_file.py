"""A world's state on disk: plain arrays in one NumPy archive, read without pickle."""

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sources.twin.customers.state import OnlineState
from sources.twin.lines import PendingReturns
from sources.twin.promotions import Promotions
from sources.twin.slots.state import SlotState
from sources.twin.stock import StockState
from sources.twin.world import WorldState

_Columns = TypeVar("_Columns", StockState, PendingReturns, Promotions, OnlineState, SlotState)


def save_state(path: Path, state: WorldState) -> None:
    """Write a state to `path`, whatever its suffix."""
    arrays: dict[str, Any] = {"next_day": np.int64(state.next_day)}
    for part in (state.stock, state.pending, state.decided, state.online, state.slots):
        arrays |= {_name(type(part), f.name): getattr(part, f.name) for f in fields(part)}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def load_state(path: Path) -> WorldState:
    """The state that `save_state` wrote."""
    with np.load(path, allow_pickle=False) as arrays:

        def part(kind: type[_Columns]) -> _Columns:
            return kind(**{f.name: arrays[_name(kind, f.name)] for f in fields(kind)})

        return WorldState(
            int(arrays["next_day"]),
            part(StockState),
            part(PendingReturns),
            part(Promotions),
            part(OnlineState),
            part(SlotState),
        )


def _name(kind: type, field: str) -> str:
    return f"{kind.__name__}.{field}"
