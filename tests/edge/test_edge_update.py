"""Updates: whole or not at all, at whatever moment the box loses power."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from update_box import Box, failing, revision_of

from edge.bundle import BundleError, verify
from edge.update import BUNDLES, STATE_FILE, Installed, UpdateError, installed, rollback, update

ROOT = Path(__file__).parents[2]


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


def test_unreadable_state_says_what_to_do(box: Box) -> None:
    box.install(1)
    (box.home / STATE_FILE).write_text(json.dumps({"current": "../../etc"}))
    with pytest.raises(UpdateError, match="remove it and install a bundle again"):
        box.running()


# Asked for N, makes a child that updates, and whose N-th touch of a file kills it and tells what that was: every state that a loss of
# power can leave between two of them comes about.
UPDATE = """
import os, signal, sys
from pathlib import Path
from models.common.keys import read_public_key
from edge.update import update
home, bundle, key = map(Path, sys.argv[1:])
key = read_public_key(key)
TOUCHES = {"open", "fcntl.flock", "shutil.rmtree", *("os." + each for each in "mkdir rename remove rmdir chmod scandir".split())}
def die_at(left):
    def hook(event, arguments):
        nonlocal left
        if event in TOUCHES:
            left -= 1
            if left == 0:
                print(event, *(Path(str(each)).name for each in arguments[:2]), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
for line in sys.stdin:
    child = os.fork()
    if not child:
        die_at(int(line))
        update(home, bundle, key, self_test=lambda folder: (folder / "revision.json").read_text())
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"ended {code}", flush=True)
"""


def test_kill_at_any_touch_of_a_file_leaves_one_whole_bundle(box: Box) -> None:
    box.install(1)
    newer, key = box.bundle(2, padding=1 << 20), box.folder / "trusted.pem"
    before = shutil.copytree(box.home, box.folder / "before")
    arguments = [sys.executable, "-c", UPDATE, str(box.home), str(newer), str(key)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    killed: list[str] = []
    after: list[int] = []
    with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes) as process:
        while True:
            print(len(killed) + 1, file=process.stdin, flush=True)
            told = process.stdout.readline().strip()
            if told.startswith("ended"):
                break
            killed.append(told)
            assert process.stdout.readline().strip() == f"ended {-signal.SIGKILL}", told
            state = installed(box.home)
            assert isinstance(state, Installed)
            after.append(box.running())
            assert after[-1] == verify(box.home / BUNDLES / state.current, box.key).revision, told
            again = update(box.home, newer, box.key, self_test=lambda folder: None)
            assert (again.outcome, box.running()) == ("already_current" if after[-1] == 2 else "updated", 2), told
            assert box.folders() == {again.current, again.former} and not list(box.home.glob(f".{STATE_FILE}.*")), told
            shutil.rmtree(box.home)
            shutil.copytree(before, box.home)
        process.stdin.close()
    assert told == "ended 0" and box.running() == 2, "the last one was never asked to die"
    done = after.index(2)
    assert after == [1] * done + [2] * (len(after) - done), "old up to one moment, new from then on"
    assert killed[done - 1].startswith("os.rename .installed.json"), "which is when the state takes its name"
    for moment in ("open weights.safetensors", "os.rename bundle forecaster-2", "open revision.json", "shutil.rmtree"):
        assert any(each.startswith(moment) for each in killed), f"none while {moment}: {killed}"
