"""What a service knows of customers, what it tells of them, and where it reads and writes both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TextArray = npt.NDArray[np.str_]
HISTORY = 50  # newest items of a customer that are read; older ones say little
TAKEN = ("purchase", "play", "rating", "interaction")  # kinds that say that an item was taken
KINDS = (*TAKEN, "cart", "click", "view")
MAX_ID = 200
_LATEST_US = 2**52  # the year 2112: what lies behind it is no microsecond


class CustomersError(ValueError):
    """Customers that cannot be read or told of; the message says what to do."""


@dataclass(frozen=True)
class CustomerEvent:
    """One thing that a customer did; `event_time_us` counts microseconds since 1970 in the clock of the tables.

    `event_id` is given once, ever: a second event of that id is the first one delivered again. `price` is that of one
    unit and `amount` the units of a purchase, as in table events; NaN where they are not known. `promoted` says that the item
    was on promotion.
    """

    customer_id: str
    item_id: str
    kind: str
    event_time_us: int
    event_id: str
    price: float = float("nan")
    amount: float = float("nan")
    promoted: bool = False

    def __post_init__(self) -> None:
        for name in ("customer_id", "item_id", "event_id"):
            text = getattr(self, name)
            if not isinstance(text, str) or not 1 <= len(text) <= MAX_ID:
                raise CustomersError(f"{name} {text!r:.60}: expected text of 1 to {MAX_ID} characters")
        if self.kind not in KINDS:
            raise CustomersError(f"kind {self.kind!r:.60}: expected one of {', '.join(KINDS)}")
        if not 0 <= self.event_time_us < _LATEST_US:
            raise CustomersError(
                f"event_time_us {self.event_time_us}: expected microseconds since 1970, below {_LATEST_US}"
            )
        for name in ("price", "amount"):
            number = getattr(self, name)
            if number < 0 or number > 1e9:
                raise CustomersError(f"{name} {number}: expected 0 to 1e9, or NaN where it is not known")


@dataclass(frozen=True)
class CustomerBatch:
    """What is known of N customers; of one that is not `found (N,)` nothing is.

    `history`: items taken by each, each item once by when it was first taken, oldest first, the newest 50. `values`:
    name -> (N,), NaN where unknown; `texts`: name -> (N,), "" where unknown, among them `segment` and `device`.
    """

    customer_ids: tuple[str, ...]
    found: npt.NDArray[np.bool_]
    history: tuple[tuple[str, ...], ...]
    values: Mapping[str, FloatArray]
    texts: Mapping[str, TextArray]

    def __post_init__(self) -> None:
        count = len(self.customer_ids)
        columns = {"found": self.found, **self.values, **self.texts}
        if wrong := {name: column.shape for name, column in columns.items() if column.shape != (count,)}:
            raise CustomersError(f"{count} customers need columns of shape ({count},), but got {wrong}")
        if len(self.history) != count:
            raise CustomersError(f"{count} customers need as many histories, but got {len(self.history)}")


class OnlineCustomers(Protocol):
    """Where a service reads customers, and tells what they just did."""

    def read(self, customer_ids: Sequence[str]) -> CustomerBatch:
        """What is known of customers in the order asked; one that is unknown is not found."""
        ...

    def push(self, events: Sequence[CustomerEvent]) -> int:
        """Take events in, which the next `read` shows; how many of them were new. An event told again counts once."""
        ...

    def erase(self, customer_ids: Sequence[str]) -> int:
        """Forget customers; how many of them were known."""
        ...


def unknown(customer_ids: Sequence[str], values: Sequence[str], texts: Sequence[str]) -> CustomerBatch:
    """The batch of customers of whom nothing is known."""
    count = len(customer_ids)
    return CustomerBatch(
        customer_ids=tuple(customer_ids),
        found=np.zeros(count, dtype=np.bool_),
        history=((),) * count,
        values=dict(zip(values, np.full((len(values), count), np.nan), strict=True)),
        texts={name: np.full(count, "", dtype=np.str_) for name in texts},
    )
