"""A till in a process of its own, to be killed: what `test_settlement_kills` starts. Not a test."""

import signal
import sys
import threading
from pathlib import Path

from ledger_case import KEY, ORIGIN, WHEN, store_at

from serving.settlement.ledger import Ledger
from serving.settlement.shop_settings import ShopSettings, open_processor


def main(home: Path, ledger: str) -> None:
    """Settle until SIGTERM, by the settings of the environment."""
    settings, stop = ShopSettings(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        try:
            store = Ledger(store_at(ledger), KEY, origin=ORIGIN, clock=lambda: WHEN)
            processor = open_processor(settings, home, store)
            break
        except Exception as error:
            sys.stderr.write(f"waits: {error}\n")
            stop.wait(0.3)
    if not stop.is_set():
        processor.run(stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
