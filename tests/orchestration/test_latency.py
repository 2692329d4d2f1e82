"""The p99 of answers: of a quiet round, whatever a busy one said; what makes a question is not counted."""

import time
from collections.abc import Callable, Iterator

import pytest

from orchestration.latency import ROUNDS, p99_ms


def answers(monkeypatch: pytest.MonkeyPatch, rounds: list[list[float]]) -> Callable[[], Iterator[Callable[[], None]]]:
    """Rounds of answers that take so many ms each by a clock of their own, each made in a second."""
    now, left = [0.0], iter(rounds)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    def asked() -> Iterator[Callable[[], None]]:
        for ms in next(left):
            pass_time(1.0)
            yield lambda ms=ms: pass_time(ms / 1e3)

    return asked


def test_a_quiet_round_is_the_answer_and_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert p99_ms(answers(monkeypatch, [[3.0] * 99 + [5.0]])) == pytest.approx(3.0, abs=0.1)


def test_hiccups_of_a_busy_machine_are_not_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, quiet = [3.0] * 90 + [80.0] * 10, [4.0] * 100
    assert p99_ms(answers(monkeypatch, [busy, busy, quiet])) == pytest.approx(4.0)


def test_a_model_that_is_slow_at_times_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [[3.0] * 90 + [slow] * 10 for slow in (80.0, 60.0, 70.0)]
    assert len(rounds) == ROUNDS and p99_ms(answers(monkeypatch, rounds)) == pytest.approx(60.0)


def test_nothing_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was asked"):
        p99_ms(lambda: iter(()))
