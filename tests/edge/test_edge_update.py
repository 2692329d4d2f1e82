"""Updates: whole or not at all, at whatever moment the box loses power."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle import BundleError, build, verify
from models.common.keys import generate_keys, read_private_key, read_public_key
from edge.update import BUNDLES, MAX_STARTS, STATE_FILE, Installed, UpdateError, installed, rollback, start, update

ROOT = Path(__file__).parents[2]


class Box:
    """A box, a key it trusts, and a way to make bundles whose one file says which revision it is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "box"
        generate_keys(folder / "signing.pem", folder / "trusted.pem")
        self.private, self.key = read_private_key(folder / "signing.pem"), read_public_key(folder / "trusted.pem")

    def bundle(self, revision: int, padding: int = 0) -> Path:
        release, out = self.folder / f"release{revision}", self.folder / f"{revision}.bundle"
        release.mkdir(exist_ok=True)
        (release / "revision.json").write_text(str(revision))
        (release / "weights.safetensors").write_bytes(bytes(padding))
        build(release, out, self.private, bot="forecaster", revision=revision, artifact_id=f"id{revision}")
        return out

    def install(self, revision: int, self_test: Callable[[Path], None] = lambda folder: None, **options: bool):
        return update(self.home, self.bundle(revision), self.key, self_test=self_test, **options)

    def running(self) -> int:
        return start(self.home, self.key, revision_of)[0]

    def folders(self) -> set[str]:
        return {folder.name for folder in (self.home / BUNDLES).iterdir()}


def revision_of(folder: Path) -> int:
    return int((folder / "revision.json").read_text())


def failing(message: str) -> Callable[[Path], None]:
    def self_test(folder: Path) -> None:
        raise RuntimeError(message)

    return self_test


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_update_runs_the_new_and_keeps_the_former(box: Box) -> None:
    assert box.install(1).outcome == "updated"
    assert box.running() == 1
    tested = []
    report = box.install(2, self_test=lambda folder: tested.append(revision_of(folder)))
    assert (report.outcome, tested, box.running()) == ("updated", [2], 2)
    box.install(3)
    assert box.running() == 3
    assert box.folders() == {report.current, installed(box.home).current}  # revision 1 is gone, 2 is kept
    assert box.install(3).outcome == "already_current"


def test_failed_self_test_leaves_the_old_one_running(box: Box) -> None:
    box.install(1)
    before = installed(box.home)
    report = box.install(2, self_test=failing("forecast differs by 3 %"))
    assert report.outcome == "kept"
    assert "forecast differs by 3 %" in report.reason
    assert installed(box.home) == before
    assert box.folders() == {before.current}
    assert box.running() == 1


def test_first_bundle_that_fails_leaves_an_empty_box(box: Box) -> None:
    assert box.install(1, self_test=failing("no")).outcome == "kept"
    with pytest.raises(UpdateError, match="holds no bundle"):
        box.running()


def test_bad_bundle_is_refused_before_its_self_test(box: Box) -> None:
    box.install(1)
    bundle = box.bundle(2)
    bundle.write_bytes(bundle.read_bytes().replace(b"id2", b"id9"))
    with pytest.raises(BundleError, match="not signed"):
        update(box.home, bundle, box.key, self_test=failing("must not be asked"))
    assert box.running() == 1
    assert box.folders() == {installed(box.home).current}


def test_older_bundle_needs_to_be_asked_for(box: Box) -> None:
    box.install(5)
    with pytest.raises(BundleError, match="revision 4 is not newer than the running 5"):
        box.install(4)
    assert box.install(4, allow_older=True).outcome == "updated"
    assert box.running() == 4


def test_rollback_swaps_and_verifies(box: Box) -> None:
    box.install(1)
    with pytest.raises(UpdateError, match="no former bundle"):
        rollback(box.home, box.key, reason="test")
    box.install(2)
    assert rollback(box.home, box.key, reason="prices look odd").outcome == "rolled_back"
    assert box.running() == 1
    assert installed(box.home).note == "prices look odd"
    (box.home / BUNDLES / installed(box.home).former / "revision.json").write_text("9")
    with pytest.raises(UpdateError, match="former bundle is not whole"):
        rollback(box.home, box.key, reason="again")
    assert box.running() == 1


def test_an_altered_current_bundle_gives_way_to_the_former(box: Box) -> None:
    box.install(1)
    box.install(2)
    (box.home / BUNDLES / installed(box.home).current / "revision.json").write_text("9")
    assert box.running() == 1
    assert "was altered" in installed(box.home).note
    assert box.install(2, allow_older=True).outcome == "updated"  # installed afresh over the altered folder
    assert box.running() == 2


def test_installing_the_damaged_current_bundle_again_mends_it(box: Box) -> None:
    box.install(1)
    box.install(2)
    (box.home / BUNDLES / installed(box.home).current / "revision.json").write_text("9")
    assert box.install(2).outcome == "updated"
    assert box.running() == 2
    assert rollback(box.home, box.key, reason="test").outcome == "rolled_back"
    assert box.running() == 1


def test_a_bundle_that_kills_its_process_gives_way_after_some_starts(box: Box) -> None:
    box.install(1)
    assert box.running() == 1
    box.install(2)

    def die(folder: Path) -> None:
        raise KeyboardInterrupt  # like a kill: no handler of `start` runs

    for _ in range(MAX_STARTS):
        with pytest.raises(KeyboardInterrupt):
            start(box.home, box.key, die)
        assert verify(box.home / BUNDLES / installed(box.home).current, box.key).revision == 2
    assert box.running() == 1
    assert f"did not survive {MAX_STARTS} starts" in installed(box.home).note


def test_a_bundle_that_started_once_is_not_counted_against(box: Box) -> None:
    box.install(1)
    box.install(2)
    for _ in range(MAX_STARTS + 2):
        assert box.running() == 2
    assert installed(box.home).unconfirmed_starts is None


def test_unreadable_state_says_what_to_do(box: Box) -> None:
    box.install(1)
    (box.home / STATE_FILE).write_text(json.dumps({"current": "../../etc"}))
    with pytest.raises(UpdateError, match="remove it and install a bundle again"):
        box.running()


UPDATE = """
import sys
from pathlib import Path
from models.common.keys import read_public_key
from edge.update import update
home, bundle, key = map(Path, sys.argv[1:])
print("ready", flush=True)
update(home, bundle, read_public_key(key), self_test=lambda folder: None)
"""


def test_kill_at_any_moment_leaves_one_whole_bundle(box: Box) -> None:
    box.install(1)
    big = box.bundle(2, padding=20_000_000)
    arguments = [sys.executable, "-c", UPDATE, str(box.home), str(big), str(box.folder / "trusted.pem")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    seen = set()
    for attempt in range(10):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)
        process.stdout.readline()
        time.sleep(0.012 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        state = installed(box.home)
        assert isinstance(state, Installed)
        running = box.running()
        seen.add(running)
        assert running == verify(box.home / BUNDLES / state.current, box.key).revision
        if running == 2:
            rollback(box.home, box.key, reason="once more")
            assert box.running() == 1
    assert 1 in seen
    assert update(box.home, big, box.key, self_test=lambda folder: None).outcome == "updated"
    assert box.running() == 2
    assert box.folders() == {installed(box.home).current, installed(box.home).former}
    assert not list(box.home.glob(f".{STATE_FILE}.*"))
