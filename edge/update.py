"""Updates of an edge box: a new bundle is verified and tried beside the running one, then one small file names it.

A kill at any moment leaves the old bundle or the new one, whole. A bundle that fails its self-test never becomes
current; one that is current and does not start, or on trial dies at its first work (`MAX_STARTS` times), gives way to the former
by itself.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle import BundleError, BundleManifest, unpack, verify
from edge.files import locked, sweep_unfinished, sync_folder, write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATE_FILE, BUNDLES, LOCK_FILE = "installed.json", "bundles", "update.lock"
INCOMING = ".incoming-"
MAX_STARTS = 3
T = TypeVar("T")
SelfTest = Callable[[Path], None]


class UpdateError(ValueError):
    """An update or roll-back that was not done; the message says what keeps running and what to do."""


class Installed(BaseModel):
    """Content of `installed.json`: folder names under `bundles/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    current: str = Field(pattern=r"^[a-z0-9_-]+$")
    former: str | None = Field(default=None, pattern=r"^[a-z0-9_-]+$")
    unconfirmed_starts: int | None = Field(
        default=None, ge=0, description="starts of a bundle that has not proved itself; null once it has"
    )
    note: str = Field(default="", max_length=2000, description="why the box last went back, if it did")


class UpdateReport(BaseModel):
    """What an update or roll-back did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["updated", "already_current", "rolled_back", "kept"]
    current: str | None
    former: str | None
    reason: str = ""
    seconds: float


def installed(home: Path) -> Installed | None:
    """What is installed under `home`; None on a new box."""
    file = home / STATE_FILE
    try:
        return Installed.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise UpdateError(
            f"{file} cannot be read ({error.errors()[0]['msg']}): remove it and install a bundle again"
        ) from error


def update(
    home: Path, bundle: Path, key: "Ed25519PublicKey", *, self_test: SelfTest, allow_older: bool = False
) -> UpdateReport:
    """Install the file `bundle` if it is signed, newer and passes `self_test(folder)`; else the old one keeps running.

    BundleError for a bundle that is refused; an outcome of `kept` for one whose self-test failed.
    """
    began = time.perf_counter()
    with _locked(home):
        before = installed(home)
        _sweep(home, keep=before)
        incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=home / BUNDLES)) / "bundle"
        try:
            manifest = unpack(bundle, key, incoming)
            target = home / BUNDLES / manifest.folder_name
            again = before is not None and before.current == target.name
            if before is not None and again and _is_whole(target, key):
                if before.unconfirmed_starts:  # who installs it again wants it tried again
                    _write_state(home, before.model_copy(update={"unconfirmed_starts": 0}))
                return _report("already_current", before, began)
            if not again:
                _refuse_older(home, before, manifest, allow_older)
            fresh = _place(incoming, target, key)
        finally:
            shutil.rmtree(incoming.parent)
        try:
            self_test(target)
        except Exception as error:  # whatever a bad bundle raises, the box goes on with what it has
            if fresh:
                shutil.rmtree(target)
            return _report("kept", before, began, f"{target.name} failed its self-test: {error}")
        former = None if before is None else before.former if again else before.current
        after = Installed(current=target.name, former=former, unconfirmed_starts=0)
        _write_state(home, after)
        _sweep(home, keep=after)
        return _report("updated", after, began)


def rollback(home: Path, key: "Ed25519PublicKey", *, reason: str) -> UpdateReport:
    """Make the former bundle current again, once it is verified; UpdateError when there is none that is whole."""
    began = time.perf_counter()
    with _locked(home):
        return _go_back(home, key, reason, began)


def start(
    home: Path, key: "Ed25519PublicKey", open_bundle: Callable[[Path], T], *, on_trial: bool = False
) -> tuple[T, Installed]:
    """Open the current bundle with `open_bundle(folder)`; go back to the former when it is altered or does not start.

    A start is counted before it is tried, so that a bundle that kills its process is seen too. One that opens has proved itself;
    `on_trial` a `Trial` says when it has, and until its first work nothing is counted. UpdateError when nothing starts.
    """
    began = time.perf_counter()
    with _locked(home):
        now = installed(home)
        if now is None:
            raise UpdateError(f"{home} holds no bundle: install one with `storeloop edge update`")
        if now.unconfirmed_starts is not None and now.unconfirmed_starts >= MAX_STARTS and now.former is not None:
            now = _leave(home, key, now, began)
        starts = now.unconfirmed_starts
        if starts is not None:
            _write_state(home, now.model_copy(update={"unconfirmed_starts": starts + 1}))
        try:
            opened = _open(home / BUNDLES / now.current, key, open_bundle)
        except Exception as error:  # an altered or broken bundle: the former one may be whole
            if now.former is None:
                raise UpdateError(
                    f"{now.current} does not start ({error}) and there is no former bundle: install one"
                ) from error
            _go_back(home, key, f"{now.current} does not start: {error}"[:1000], began)
            now, starts = _known(home), None
            opened = _open(home / BUNDLES / now.current, key, open_bundle)
        now = now.model_copy(update={"unconfirmed_starts": starts if on_trial else None})
        _write_state(home, now)
        return opened, now


class Trial:
    """The current bundle until it has proved itself: a start is counted once its first work begins, and all are forgiven after
    `enough` pieces of work in a row that went well. What never got any work, as while a camera is away, is not counted.

    Never waits: while an update holds the box, the next piece of work tries again. `problem` says what cannot be written down.
    """

    def __init__(self, home: Path, *, enough: int = 20) -> None:
        state = installed(home)
        self._home, self._enough = home, enough
        self._on_trial = None if state is None or state.unconfirmed_starts is None else state.current
        self._counted, self._good = False, 0
        self.problem = ""

    def begin(self) -> None:
        """Before a piece of work."""
        if self._on_trial is not None and not self._counted:
            self._counted = self._write(lambda starts: starts + 1)

    def went(self, *, well: bool) -> None:
        """After it."""
        self._good = self._good + 1 if well else 0
        if self._good >= self._enough:
            self.done()

    def done(self) -> None:
        """After all work there is: it has proved itself, unless the last went wrong."""
        if self._on_trial is not None and self._good and self._write(lambda _: None):
            self._on_trial = None

    def _write(self, change: Callable[[int], int | None]) -> bool:
        """Whether the starts are written down, or are no concern any more: another bundle is current."""
        try:
            with _locked(self._home, wait=False):
                state = installed(self._home)
                if state is None or state.current != self._on_trial or state.unconfirmed_starts is None:
                    self._on_trial = None
                else:
                    starts = change(state.unconfirmed_starts)
                    _write_state(self._home, state.model_copy(update={"unconfirmed_starts": starts}))
        except BlockingIOError:
            return False
        except (OSError, UpdateError) as error:
            self.problem = f"starts of {self._on_trial} cannot be written down: {error}; free some space"
            return False
        self.problem = ""
        return True


def _leave(home: Path, key: "Ed25519PublicKey", now: Installed, began: float) -> Installed:
    """Go back from a bundle that did not survive its starts, or say why it is tried again: better than a box that does nothing."""
    reason = f"{now.current} did not survive {now.unconfirmed_starts} starts"
    try:
        _go_back(home, key, reason, began)
    except UpdateError as error:
        _write_state(home, now.model_copy(update={"note": f"{reason}; {error}"[:2000]}))
    return _known(home)


def _open(folder: Path, key: "Ed25519PublicKey", open_bundle: Callable[[Path], T]) -> T:
    verify(folder, key)
    return open_bundle(folder)


def _go_back(home: Path, key: "Ed25519PublicKey", reason: str, began: float) -> UpdateReport:
    now = installed(home)
    if now is None or now.former is None:
        raise UpdateError(f"{home} holds no former bundle: install one with `storeloop edge update`")
    try:
        verify(home / BUNDLES / now.former, key)
    except BundleError as error:
        raise UpdateError(f"{now.current} stays: the former bundle is not whole ({error})") from error
    back = Installed(current=now.former, former=now.current, note=reason)
    _write_state(home, back)
    return _report("rolled_back", back, began, reason)


def _refuse_older(home: Path, before: Installed | None, manifest: BundleManifest, allow_older: bool) -> None:
    if before is None or allow_older:
        return
    file = home / BUNDLES / before.current / "bundle.json"
    try:
        running = BundleManifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return  # the running bundle is damaged: any good one is better
    if manifest.revision <= running.revision:
        raise BundleError(
            f"revision {manifest.revision} is not newer than the running {running.revision}: "
            "an old bundle may be replayed by others; use --allow-older if you mean it"
        )


def _place(incoming: Path, target: Path, key: "Ed25519PublicKey") -> bool:
    """Move an unpacked bundle to its place; False when the same one lies there whole already (the former one)."""
    if _is_whole(target, key):
        return False
    if target.exists():
        shutil.rmtree(target)
    incoming.rename(target)
    sync_folder(target.parent)
    return True


def _is_whole(folder: Path, key: "Ed25519PublicKey") -> bool:
    try:
        verify(folder, key)
    except BundleError:
        return False
    return True


def _sweep(home: Path, *, keep: Installed | None) -> None:
    """Remove what no state names: leftovers of a killed update and bundles older than the former one."""
    kept = {keep.current, keep.former} if keep is not None else set()
    for folder in (home / BUNDLES).iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder)


def _known(home: Path) -> Installed:
    now = installed(home)
    if now is None:
        raise UpdateError(f"{home / STATE_FILE} vanished while it was in use: install a bundle again")
    return now


def _report(
    outcome: Literal["updated", "already_current", "rolled_back", "kept"],
    state: Installed | None,
    began: float,
    reason: str = "",
) -> UpdateReport:
    current, former = (state.current, state.former) if state else (None, None)
    seconds = round(time.perf_counter() - began, 3)
    return UpdateReport(outcome=outcome, current=current, former=former, reason=reason, seconds=seconds)


def _write_state(home: Path, state: Installed) -> None:
    write_whole(home / STATE_FILE, state.model_dump_json(indent=2).encode())


@contextmanager
def _locked(home: Path, *, wait: bool = True) -> Iterator[None]:
    """One update, roll-back or start at a time; the lock dies with its process."""
    (home / BUNDLES).mkdir(parents=True, exist_ok=True)
    with locked(home / LOCK_FILE, wait=wait):
        sweep_unfinished(home / STATE_FILE)
        yield
