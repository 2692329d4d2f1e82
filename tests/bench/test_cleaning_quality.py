"""The bench row of the cleaning, on a tiny twin: what `make bench` reports must hold in every test run too."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.path[:0] = [{bench!r}]
from pathlib import Path
from cleaning_quality import measure
found = measure(Path({home!r}), size="tiny", seed=5)
print(found["precision"], found["recall"], found["injected"])
"""


def test_injected_dirt_is_found_and_clean_rows_are_spared(tmp_path: Path) -> None:
    program = PROGRAM.format(bench=str(Path(__file__).parent), home=str(tmp_path / "home"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    precision, recall, injected = (float(part) for part in done.stdout.split()[-3:])
    assert injected > 200
    assert precision >= 0.95
    assert recall >= 0.95
