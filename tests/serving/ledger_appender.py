"""A process that appends bills without end and says so, for tests that end it: PLACE of the store, file of told heads, first bill."""

import json
import sys
import time
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from ledger_case import bills, opened, store_at  # noqa: E402 (the helpers are no package)

from serving.settlement.ledger_store import LedgerStoreError  # noqa: E402


def main(place: str, told: Path, first: int) -> None:
    """Batches of 1 to 40, each sent until it is taken; a line for each on standard output once it is."""
    sizes = Random(first)
    with told.open("a", encoding="utf-8") as heads:

        def publish(note: str) -> None:
            heads.write(json.dumps(note) + "\n")
            heads.flush()

        ledger = None
        while True:
            batch = bills(first, first + sizes.randint(1, 40))
            while True:
                try:
                    ledger = ledger or opened(store_at(place), publish)
                    numbers = ledger.append(batch)
                    break
                except LedgerStoreError:  # the database is away
                    time.sleep(0.05)
            sys.stdout.write(json.dumps([first, numbers]) + "\n")
            sys.stdout.flush()
            first += len(batch)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
