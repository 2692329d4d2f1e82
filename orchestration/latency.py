"""How long an answer takes, told apart from what else the machine was doing."""

import time
from collections.abc import Callable, Iterable

Answer = Callable[[], object]
ROUNDS = 3
QUIET = 2.0  # p99 over median up to which nothing else is believed to have been at work


def p99_ms(asked: Callable[[], Iterable[Answer]]) -> float:
    """p99 of answers asked for one after another, in ms; what `asked` does to make each is not counted.

    A busy machine makes slow answers that are not the model's. Where a round looks like that it is tried again, and the quietest
    counts. ValueError where nothing is asked.
    """
    import numpy as np

    best = np.inf
    for _ in range(ROUNDS):
        seconds = []
        for answer in asked():
            began = time.perf_counter()
            answer()
            seconds.append(time.perf_counter() - began)
        if not seconds:
            raise ValueError("nothing was asked: there is no time to tell")
        median, slow = np.quantile(seconds, [0.5, 0.99])
        best = min(best, slow)
        if slow <= QUIET * median:
            break
    return float(best * 1e3)
