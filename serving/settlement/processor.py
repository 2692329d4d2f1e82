"""From the log of events to entries of the ledger: each bill exactly once, wherever it is killed.

A step reads some events, writes down what the tills make of them, appends to the ledger, and then sends what came of it in the
same moment in which the events count as consumed. Killed before it writes down, it does the same again; killed later, it finds
what it wrote down and goes on from there: the ledger takes an entry once, and the broker's promise does the rest.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.common.protocols import InputError
from serving.settlement.books import Books, Kept, Overtaken, Step
from serving.settlement.database import DatabaseError
from serving.settlement.entries import Entry
from serving.settlement.ledger import Ledger
from serving.settlement.ledger_store import LedgerStoreError
from serving.settlement.shop_events import read_event
from serving.settlement.till import ENTRIES, REFUSED, Documents, Output, Till, TillConfig
from serving.settlement.transport import Consumer, Fenced, LogLost, Message, Record, Topics, TransportError

MOST = 500  # events a step
MOST_SHOWN = 1 << 16  # bytes of an event that is refused: it has to fit into a message again, quoted
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0  # after a failure, doubled each time


@dataclass
class Processed:
    """Since it began."""

    events: int = 0
    refused: int = 0
    entries: int = 0
    failures: int = 0
    problem: str = ""


class Processor:
    """Reads a log through `consumer`; see the module. `configs` by shop, where one differs from `config`; `epoch` as the books gave
    it, where they were entered before. LogLost where the log ends before what the books have read of it."""

    def __init__(
        self,
        consumer: Consumer,
        books: Books,
        ledger: Ledger,
        config: TillConfig | None = None,
        configs: Mapping[str, TillConfig] | None = None,
        topics: Topics | None = None,
        epoch: int | None = None,
    ) -> None:
        self._consumer, self._books, self._ledger = consumer, books, ledger
        self._config, self._configs = config or TillConfig(), dict(configs or {})
        self._topics = topics or Topics()
        self.done = Processed()
        self._tills: dict[str, Till] = {}
        self._positions: dict[int, int] = {}
        self._waiting: list[Kept] = []
        self._epoch = books.enter() if epoch is None else epoch
        self.begin()

    def begin(self) -> None:
        """Forget all that is not written down, and send what was not sent. LogLost as for the class."""
        self._books.check(self._epoch)  # first: one that was overtaken may not take the log from who follows
        self._tills.clear()
        self._consumer.rewind()
        committed = self._consumer.committed()
        self._positions = dict(committed) | dict(self._books.positions())
        _check_log(self._positions, self._consumer.ends())
        waiting = list(self._books.waiting())
        gone = [each for each in waiting if each.offset < committed.get(each.partition, 0)]
        if gone:
            self._books.sent(gone[-1].place, self._epoch)
        self._waiting = waiting[len(gone) :]
        if self._waiting:
            self._send()

    def step(self, wait_s: float = 0.1, most: int = MOST) -> int:
        """One step; how many events it read."""
        records = self._consumer.poll(most, wait_s)
        fresh = [each for each in records if each.offset >= self._positions.get(each.partition, 0)]
        if fresh:
            self._write_down(fresh)
        if records:
            self._send()
        return len(records)

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Step until `stop`. What fails is tried again for ever, with growing patience; Fenced or Overtaken end it, as does a
        ledger that refuses an entry, for then two bills disagree and a person must look."""
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            alive()
            try:
                if self.done.problem:
                    self.begin()
                self.step()
            except (Fenced, Overtaken):
                raise
            except (TransportError, DatabaseError, LedgerStoreError) as error:
                self.done.failures += 1
                self.done.problem = str(error)
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            self.done.problem, wait_s = "", _FIRST_WAIT_S

    def _write_down(self, records: Sequence[Record]) -> None:
        place = self._waiting[-1].place if self._waiting else 0
        outputs: list[Kept] = []
        for record in records:
            for output in self._outputs(record):
                place += 1
                body = json.dumps(output.body, ensure_ascii=False)
                outputs.append(Kept(place, record.partition, record.offset, output.to, output.key, body))
        changed = {
            (shop, key): text for shop, till in self._tills.items() for key, text in till.documents.taken().items()
        }
        positions = {record.partition: record.offset + 1 for record in records}
        self._books.keep(Step(positions, changed, outputs), self._epoch)
        self._positions |= positions
        self._waiting += outputs
        self.done.events += len(records)

    def _outputs(self, record: Record) -> Sequence[Output]:
        """What an event brings about; one that cannot be read or does not fit is set aside with what is wrong with it."""
        try:
            event = read_event(record.value)
            return self._till(event.shop).apply(event)
        except InputError as error:
            self.done.refused += 1
            told = {"error": str(error), "event": record.value[:MOST_SHOWN].decode(errors="replace")}
            return [Output(REFUSED, f"{record.partition}:{record.offset}", told)]

    def _till(self, shop: str) -> Till:
        if shop not in self._tills:
            documents = Documents(self._books.begin(shop), lambda key: self._books.find(shop, key))
            self._tills[shop] = Till(shop, self._configs.get(shop, self._config), documents)
        return self._tills[shop]

    def _send(self) -> None:
        """Append to the ledger, then send all that waits and count its events as consumed."""
        entries = [_entry(each) for each in self._waiting if each.to == ENTRIES]
        if entries:
            self._ledger.append(entries)
        messages = [self._message(each) for each in self._waiting]
        self._consumer.commit(self._positions, messages)
        self.done.entries += len(entries)
        if self._waiting:
            self._books.sent(self._waiting[-1].place, self._epoch)
        self._waiting = []

    def _message(self, kept: Kept) -> Message:
        body = self._ledger.receipt(kept.key).to_json() if kept.to == ENTRIES else kept.body
        return Message(self._topics.of(kept.to), kept.key, body.encode())


def _check_log(positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
    for partition, position in sorted(positions.items()):
        if position > (end := ends.get(partition, 0)):
            raise LogLost(
                f"partition {partition} of the log ends at {end:,}, but was read up to {position:,}: it began anew, and its first "
                "events would never be billed. Bring the log back; where it is gone for good, settle by hand what was open and give "
                "the till new books"
            )


def _entry(kept: Kept) -> Entry:
    return Output(kept.to, kept.key, json.loads(kept.body)).entry()
