"""A second interpreter for libraries that take seconds to import: it imports them while this one works on tables.

Great Expectations and Feast are a quarter of a daily run when imported in turn, and Python works on one thing at a time.
Outside `second_interpreter`, `call` works in this interpreter, so that tests and services need no second one.
"""

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")

_line: "Connection | None" = None  # to the second interpreter
_owed: list[str] = []  # names of functions that it was sent and whose answers were not taken


class AsideError(RuntimeError):
    """A call that gave neither result nor an error that can travel: the message holds what is known of it."""


@contextmanager
def second_interpreter() -> Iterator[None]:
    """Have a second interpreter within the block, on a machine with more than one core; ended at once behind it.

    It ends with this process, however that one ends. Calls come from one thread.
    """
    global _line  # noqa: PLW0603 - one a process, found by assets that Dagster calls
    if _line is not None or (os.cpu_count() or 1) < 2:
        yield
        return
    from multiprocessing import get_context

    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()
    _line = here
    try:
        yield
        _settle()
    finally:
        _line = None
        _owed.clear()
        process.kill()  # it may still import what nobody needs any more
        process.join()
        here.close()


def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(...)`, in the second interpreter if there is one; arguments and result are then pickled.

    Raises what the function raises; AsideError for an error that cannot be pickled, and when the interpreter is gone.
    """
    if _line is None:
        return function(*args, **kwargs)
    _settle()
    _send(function, args, kwargs)
    result: T = _answered()
    return result


def later(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """As `call`, for work whose result nobody waits for; its error is raised by the next call, or at the end of the block."""
    if _line is None:
        function(*args, **kwargs)
    else:
        _send(function, args, kwargs)


def expect(*modules: str) -> None:
    """Begin to import what calls to come will need, beside what is asked for meanwhile; nothing without a second interpreter."""
    if _line is not None:
        _send(_import_soon, (modules,), {})


def _send(function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert _line is not None
    try:
        _line.send((function, args, kwargs))
    except OSError:
        raise _lost(function.__qualname__) from None
    _owed.append(function.__qualname__)


def _answered() -> Any:
    """The oldest answer that was not taken yet."""
    assert _line is not None
    name = _owed.pop(0)
    try:
        result, error = _line.recv()
    except (EOFError, OSError):
        raise _lost(name) from None
    if error is not None:
        raise error
    return result


def _settle() -> None:
    while _owed:
        _answered()


def _lost(name: str) -> AsideError:
    return AsideError(f"the second interpreter ended before {name} did, killed or out of memory: run again")


def _serve(line: "Connection") -> None:
    """Answer calls in the order in which they come."""
    _prepare()
    while True:
        try:
            function, args, kwargs = line.recv()
        except EOFError:
            return
        line.send(_answer(function, args, kwargs))


def _prepare() -> None:
    """Great Expectations, which a run needs first, and how this interpreter lives and ends."""
    import gc

    from tqdm import tqdm

    from orchestration.cli import GC_THRESHOLD

    sys.meta_path.insert(0, _WithoutTorch())
    gc.set_threshold(*GC_THRESHOLD)
    # Its own lock is a semaphore of the system, which Python reports as lost once this is killed.
    tqdm.set_lock(RLock())
    Thread(target=_end_with_parent, daemon=True).start()
    import great_expectations.expectations  # noqa: F401


class _WithoutTorch:
    """Feast imports torch where it finds it: two seconds and 600 MB of what nothing here is asked for."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("this interpreter goes without torch", name=name)


def _import_soon(modules: tuple[str, ...]) -> None:
    Thread(target=lambda: list(map(import_module, modules)), daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _answer(
    function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[T | None, Exception | None]:
    try:
        return function(*args, **kwargs), None
    except Exception as error:  # whatever it is, `call` raises it again
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        except Exception:
            return None, AsideError(f"{type(error).__name__}: {error}")
        return None, error
