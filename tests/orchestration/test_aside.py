"""The second interpreter: same answers, same errors, and no life of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestration.aside import AsideError, call, expect, later, second_interpreter


def test_calls_stay_here_until_somebody_asks_for_a_second_interpreter() -> None:
    assert call(os.getpid) == os.getpid()
    with second_interpreter():
        there = call(os.getpid)
        assert there != os.getpid()
        assert call(sorted, [2, 3, 1], reverse=True) == [3, 2, 1]
        assert call(os.getpid) == there
    assert call(os.getpid) == os.getpid()
    assert not psutil.pid_exists(there)


def test_errors_arrive_as_they_are_or_as_text() -> None:
    with second_interpreter():
        with pytest.raises(ValueError, match="invalid literal for int"):
            call(int, "seven")
        with pytest.raises(AsideError, match="Unknown: one two"):
            call(exec, "class Unknown(Exception): pass\nraise Unknown('one two')")
        assert call(abs, -1) == 1
        with pytest.raises(AsideError, match=r"ended before _exit.*run again"):
            call(os._exit, 3)


def test_what_nobody_waits_for_is_done_in_turn_and_its_error_is_not_lost(tmp_path: Path) -> None:
    with second_interpreter():
        later(time.sleep, 0.2)
        later((tmp_path / "made").mkdir)
        assert call((tmp_path / "made").is_dir)
        later(int, "seven")
        with pytest.raises(ValueError, match="invalid literal for int"):
            call(abs, -1)
        assert call(abs, -1) == 1
    with pytest.raises(ValueError, match="invalid literal for int"), second_interpreter():
        later(int, "seven")
    with pytest.raises(ValueError, match="invalid literal for int"):
        later(int, "seven")


def test_expected_modules_are_imported_there_beside_other_calls() -> None:
    expect("colorsys")  # nothing to import it
    with second_interpreter():
        expect("colorsys")
        for _ in range(100):
            if call(eval, "'colorsys' in __import__('sys').modules"):
                break
            time.sleep(0.1)
        else:
            pytest.fail("colorsys was never imported")


def test_a_killed_process_takes_it_along() -> None:
    code = (
        "import os, time\n"
        "from orchestration.aside import call, second_interpreter\n"
        "with second_interpreter():\n"
        "    print(call(os.getpid), flush=True)\n"
        "    call(time.sleep, 600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    there = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for _ in range(100):
        if not psutil.pid_exists(there) or psutil.Process(there).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail(f"process {there} lives on")


def test_feast_is_imported_there_without_torch() -> None:
    with second_interpreter():
        call(exec, "import feast")
        assert not call(eval, "'torch' in __import__('sys').modules")
