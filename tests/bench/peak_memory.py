"""Most memory that this process has held, by what Linux keeps of it. Not a test.

`getrusage` will not do: its peak is never forgotten, and a program begins with that of the process that started it.
"""

from pathlib import Path


def peak_bytes() -> int:
    """Most bytes held at once since the program was loaded or `forget_peak` was called."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    """From now on the peak is what is held now, or more (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
