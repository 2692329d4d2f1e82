"""`make bench`: measures row by row and writes results.md and the figures of README.md.

A row that was measured with the present code is not measured again (`--fresh` does), so that an interrupted run goes on
where it stopped. A row that was not measured with the present code says "not run"; no old number is ever shown.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from bench_row import BenchContext, BenchRow  # noqa: E402 (the folder of rows is no package)

from models.common.telemetry import switch_off  # noqa: E402

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def load_rows(folder: Path) -> list[BenchRow]:
    """Rows of every module in `folder` that has some, in the order of file and list."""
    rows: list[BenchRow] = []
    for file in sorted(folder.glob("*.py")):
        if file.name in {"bench_row.py", "runner.py"} or file.name.startswith("test_"):
            continue
        if not re.search(r"^ROWS\b", file.read_text(encoding="utf-8"), re.MULTILINE):
            continue
        spec = importlib.util.spec_from_file_location(f"bench_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        rows.extend(module.ROWS)
    names = [row.name for row in rows]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"rows named twice: {repeated}; a row's name is its identity, choose another")
    return rows


def code_revision(row: BenchRow, folder: Path) -> str:
    """Hash of everything that can move the row's figure: its rooms, the bench modules and the lock."""
    files = [ROOT / "requirements.lock", *folder.glob("*.py")]
    for room in row.rooms:
        files += [p for p in (ROOT / room).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def real_data() -> Path | None:
    """The folder that STORELOOP_REAL_DATA names, if it is there."""
    named = os.environ.get("STORELOOP_REAL_DATA", "")
    return Path(named) if named and Path(named).is_dir() else None


def measure(row: BenchRow, folder: Path, timeout_s: float) -> dict:
    """Run one row in a process of its own; a row that breaks is an entry that says so."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        out = Path(scratch) / "result.json"
        command = [sys.executable, __file__, "--rows", str(folder), "--one", row.name, "--scratch", scratch]
        try:
            done = subprocess.run(command, cwd=ROOT, check=False, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return {"error": f"took longer than {timeout_s:.0f} s", "seconds": timeout_s}
        if not out.is_file():
            return {"error": f"ended with code {done.returncode} and no result", "seconds": time.perf_counter() - began}
        return json.loads(out.read_text(encoding="utf-8")) | {"seconds": time.perf_counter() - began}


def run_one(row: BenchRow, scratch: Path) -> int:
    """In the row's own process: measure, write the result."""
    work = scratch / "work"
    work.mkdir()
    try:
        entry = asdict(row.run(BenchContext(scratch=work, real_data=real_data())))
    except Exception as error:  # a broken row is reported in its place, the other rows go on
        traceback.print_exc()
        entry = {"error": f"{type(error).__name__}: {error}"}
    (scratch / "result.json").write_text(json.dumps(entry), encoding="utf-8")
    return 0


def cell(row: BenchRow, entry: dict | None) -> list[str]:
    """Cells of a row of the table."""
    head = [row.system, row.what]
    if entry is None:
        missing = (
            "needs STORELOOP_REAL_DATA" if row.needs_real_data and real_data() is None else "make bench measures it"
        )
        return [*head, "not run", "", "", "", missing]
    if "error" in entry:
        return [*head, "failed", "", "", "**no**", str(entry["error"]).replace("|", "/").splitlines()[0][:200]]
    number = f"{entry['value']:.4g} {entry['unit']}".strip()
    if entry["peer_value"] is None:
        peer = ratio = ""
    else:
        peer = f"{entry['peer']}: {entry['peer_value']:.4g} {entry['unit']}".strip()
        ratio = f"{entry['value'] / entry['peer_value']:.3g}" if entry["peer_value"] else ""
    verdict = {True: "yes", False: "**no**", None: ""}[entry["met"]]
    asked = f"{entry['bound']}: {verdict}" if entry["bound"] else verdict
    return [*head, number, peer, ratio, asked, entry["note"]]


def table(rows: list[BenchRow], entries: dict[str, dict | None]) -> str:
    """Markdown table of all rows."""
    lines = ["| system | what | measured | beside | ratio | asked | note |", "|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(cell(row, entries[row.name])) + " |" for row in rows]
    return "\n".join(lines)


def write(out: Path, readme: Path | None, rows: list[BenchRow], entries: dict[str, dict | None]) -> None:
    """results.md and the block of README.md, from the same entries."""
    figures = table(rows, entries)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    out.write_text(f"# Measured\n\nBy `make bench` on {machine}.\n\n{figures}\n", encoding="utf-8")
    if readme is not None:
        head, rest = readme.read_text(encoding="utf-8").split(BEGIN, 1)
        readme.write_text(f"{head}{BEGIN}\n{figures}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def main() -> int:
    """0 when every row that could run ran and met its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="measure again what is already measured")
    parser.add_argument("--only", action="append", default=[], help="measure these rows only (repeatable)")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--rows", type=Path, default=HERE, help="folder of row modules")
    parser.add_argument("--out", type=Path, default=HERE / "results.md")
    parser.add_argument("--cache", type=Path, default=ROOT / ".storeloop" / "bench")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds a row may take")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    switch_off(os.environ)
    rows = load_rows(options.rows)
    if options.one:
        return run_one(next(row for row in rows if row.name == options.one), options.scratch)
    if options.list:
        sys.stdout.write("".join(f"{row.name}\n" for row in rows))
        return 0
    if unknown := sorted(set(options.only) - {row.name for row in rows}):
        raise SystemExit(f"no rows named {unknown}; --list prints the names")
    readme = ROOT / "README.md" if options.out == HERE / "results.md" else None
    caches = {row.name: options.cache / f"{row.name}-{code_revision(row, options.rows)}.json" for row in rows}
    if options.fresh:
        for name in options.only or list(caches):
            caches[name].unlink(missing_ok=True)
    entries = {name: json.loads(file.read_text()) if file.is_file() else None for name, file in caches.items()}
    write(options.out, readme, rows, entries)
    options.cache.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if entries[row.name] is not None or (options.only and row.name not in options.only):
            continue
        if row.needs_real_data and real_data() is None:
            sys.stdout.write(f"{row.name}: not run, STORELOOP_REAL_DATA names no folder\n")
            continue
        sys.stdout.write(f"{row.name} ...\n")
        sys.stdout.flush()
        entry = measure(row, options.rows, options.timeout)
        sys.stdout.write(f"{row.name}: {' | '.join(cell(row, entry)[2:])} ({entry['seconds']:.0f} s)\n")
        entries[row.name] = entry
        if "error" not in entry:  # what broke is tried again the next time
            unfinished = caches[row.name].with_suffix(".part")
            unfinished.write_text(json.dumps(entry), encoding="utf-8")
            unfinished.replace(caches[row.name])
        write(options.out, readme, rows, entries)
    measured = [entry for entry in entries.values() if entry is not None]
    return 1 if any("error" in entry or entry["met"] is False for entry in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
