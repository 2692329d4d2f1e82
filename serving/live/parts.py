"""What runs beside the live page, each in a thread of its own, and what becomes of the page when one of them ends."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from serving.settlement.books import Overtaken
from serving.settlement.entries import EntryError
from serving.settlement.ledger import LedgerBroken
from serving.settlement.ledger_reader import LedgerError
from serving.settlement.transport import Fenced, LogLost

_LONGEST_END_S = 5.0  # that each part may take to end


@dataclass(frozen=True)
class Fallen:
    """Why a part has ended for good, with nobody who goes on in its place; `restart`: whether a new start may mend it."""

    why: str
    restart: bool


class Part:
    """Something that runs; `problem` says what ended it, or what it suffers from."""

    def __init__(self, name: str, work: Callable[[threading.Event], None], suffers: Callable[[], str]) -> None:
        self.name, self._work, self._suffers, self._ended = name, work, suffers, ""
        self.fallen: Fallen | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stop = threading.Event()

    def start(self, stop: threading.Event) -> None:
        """Begin."""
        self._stop = stop
        self._thread.start()

    def join(self) -> None:
        """Wait for it to end."""
        self._thread.join(_LONGEST_END_S)

    @property
    def problem(self) -> str:
        """Empty where all is well."""
        return self._ended or self._suffers()

    def _run(self) -> None:
        try:
            self._work(self._stop)
        except (Fenced, Overtaken) as error:
            self._ended = f"{self.name} has ended: {error}"
        except (LedgerBroken, LedgerError, EntryError, LogLost) as error:
            self._fall(f"{self.name} has ended, and a person must look: {error}", restart=False)
        except BaseException as error:
            self._fall(f"{self.name} has ended: {type(error).__name__}: {error}", restart=True)
            raise

    def _fall(self, why: str, *, restart: bool) -> None:
        self._ended, self.fallen = why, Fallen(why, restart)
