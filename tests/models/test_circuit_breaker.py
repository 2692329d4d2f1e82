"""The state machine of the breaker, with a clock that the test turns by hand."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.common.guard import BreakerConfig, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker(clock: Clock, **knobs: float) -> CircuitBreaker:
    config = {"failures": 3, "slow_s": 0.5, "reset_s": 10.0, "trial_successes": 2, "min_confidence": 0.4, **knobs}
    return CircuitBreaker(BreakerConfig.model_validate(config), clock)


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        ({"elapsed_s": 0.1, "error": True}, "error"),
        ({"elapsed_s": 0.51}, "late"),
        ({"elapsed_s": 0.1, "confidence": 0.39}, "low_confidence"),
    ],
)
def test_each_kind_of_failure_opens_it_after_three_in_a_row(
    clock: Clock, outcome: dict[str, float], cause: str
) -> None:
    guard = breaker(clock)
    for expected in ("closed", "closed", "open"):
        assert guard.allow()
        assert guard.record(**outcome) == cause
        assert guard.status().state == expected
    assert not guard.allow()
    assert guard.status().cause == cause
    assert guard.status().times_opened == 1


def test_a_success_forgets_earlier_failures(clock: Clock) -> None:
    guard = breaker(clock)
    for _ in range(4):
        guard.record(elapsed_s=0.1, error=True)
        guard.record(elapsed_s=0.1, error=True)
        assert guard.record(elapsed_s=0.5, confidence=0.4) is None  # on both bounds is still good
    assert guard.status().state == "closed"


def open_it(guard: CircuitBreaker) -> None:
    for _ in range(3):
        guard.record(elapsed_s=0.1, error=True)
    assert guard.status().state == "open"


def test_after_the_reset_time_one_trial_runs_at_a_time_and_two_good_ones_close_it(clock: Clock) -> None:
    guard = breaker(clock)
    open_it(guard)
    clock.now += 9.9
    assert not guard.allow()
    clock.now += 0.1
    assert guard.allow()
    assert guard.status().state == "half_open"
    assert not guard.allow()
    guard.record(elapsed_s=0.1)
    assert guard.status().state == "half_open"
    assert guard.allow()
    guard.record(elapsed_s=0.1)
    assert guard.status().state == "closed"
    assert guard.allow() and guard.allow()


def test_a_bad_trial_opens_it_again_for_the_whole_reset_time(clock: Clock) -> None:
    guard = breaker(clock)
    open_it(guard)
    clock.now += 10
    assert guard.allow()
    guard.record(elapsed_s=2.0)
    assert guard.status().state == "open"
    assert guard.status().times_opened == 2
    clock.now += 9
    assert not guard.allow()
    clock.now += 1
    assert guard.allow()


def test_a_trial_that_never_reports_is_given_up(clock: Clock) -> None:
    guard = breaker(clock)
    open_it(guard)
    clock.now += 10
    assert guard.allow()
    assert not guard.allow()
    clock.now += 10
    assert guard.allow()


def test_a_straggler_cannot_close_an_open_breaker(clock: Clock) -> None:
    guard = breaker(clock)
    open_it(guard)
    guard.record(elapsed_s=0.1)
    assert guard.status().state == "open"
    guard.reset()
    assert guard.allow()
    assert guard.status().failures_in_a_row == 0


def test_threads_lose_no_failure(clock: Clock) -> None:
    guard = breaker(clock, failures=801)
    threads = [
        threading.Thread(target=lambda: [guard.record(elapsed_s=0.1, error=True) for _ in range(100)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard.status().failures_in_a_row == 800
    assert guard.status().state == "closed"


def test_only_one_of_many_threads_becomes_the_trial(clock: Clock) -> None:
    guard = breaker(clock)
    open_it(guard)
    clock.now += 10
    allowed: list[bool] = []
    threads = [threading.Thread(target=lambda: allowed.append(guard.allow())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1


@given(st.lists(st.tuples(st.sampled_from(["allow", "good", "bad", "wait"]), st.floats(0, 20)), max_size=60))
def test_it_never_allows_while_open_within_the_reset_time(moves: list[tuple[str, float]]) -> None:
    clock = Clock()
    guard = breaker(clock)
    opened_at = None
    for move, seconds in moves:
        times_opened = guard.status().times_opened
        if move == "wait":
            clock.now += seconds
        elif move == "allow":
            if opened_at is not None and clock.now - opened_at < 10:
                assert guard.status().state != "open" or not guard.allow()
            else:
                guard.allow()
        else:
            guard.record(elapsed_s=0.1, error=move == "bad")
        if guard.status().times_opened > times_opened:
            opened_at = clock.now


def test_bounds_of_the_config() -> None:
    with pytest.raises(ValidationError):
        BreakerConfig(failures=0)
    with pytest.raises(ValidationError):
        BreakerConfig.model_validate({"patience": 3})
