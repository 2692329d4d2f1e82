"""The observed table of delivery slots, `slot_bookings`: a row a window and day on which it could be booked."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sources.twin.slots.params import PARTS
from sources.twin.slots.shop import SlotDay

_TEXT, _WHOLE, _REAL, _DATE = pa.string(), pa.int64(), pa.float64(), pa.date32()
SLOT_BOOKINGS = pa.schema(
    [
        ("area_id", _TEXT), ("delivered_on", _DATE), ("part", _TEXT), ("booked_on", _DATE), ("fee", _REAL),
        ("competitor_fee", _REAL), ("open_slots", _WHOLE), ("booked_slots", _WHOLE),
    ]
)  # fmt: skip


def slot_bookings(days: Sequence[SlotDay]) -> pa.Table:
    """Rows of some days: `open_slots` as of the morning, `booked_slots` of that day, money as the shop counts it."""
    if not days:
        return SLOT_BOOKINGS.empty_table()
    booked = np.stack([each.booked for each in days])  # (D, H, A, P)
    d, h, a, p = (i.ravel() for i in np.indices(booked.shape))
    day = np.array([each.day for each in days])[d]
    areas = pa.array([f"A{number + 1:03d}" for number in range(booked.shape[2])], _TEXT)
    columns = [
        areas.take(pa.array(a)),
        _dates(day + h + 1),
        pa.array(PARTS, _TEXT).take(pa.array(p)),
        _dates(day),
        pa.array(np.stack([each.fee for each in days]).ravel()),
        pa.array(np.stack([each.rival for each in days])[d, a]),
        pa.array(np.stack([each.left for each in days]).ravel()),
        pa.array(booked.ravel()),
    ]
    return pa.table(columns, schema=SLOT_BOOKINGS)


def _dates(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers.astype(np.int32), pa.int32()).cast(_DATE)
