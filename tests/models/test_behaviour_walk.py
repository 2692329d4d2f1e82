"""Tracks of visits: fused by hand, equal to the exact posterior, true to their radius, and not led astray by one scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.behaviour.walk import Walk, WalkConfig, follow
from models.common.protocols import InputError

PLAIN = WalkConfig(surprise=1e6)  # Kalman's filter itself
COVERAGE = 0.9
DEVIATIONS = np.sqrt(-2 * np.log(1 - COVERAGE))
NAN = np.nan


def walked(seconds: list[float], x: list[float], radius: list[float], cfg: WalkConfig = PLAIN) -> Walk:
    at = np.array(x)
    return follow(np.array(seconds), at, np.where(np.isnan(at), NAN, 0.0), np.array(radius), coverage=COVERAGE, cfg=cfg)


def test_two_scans_at_once_are_averaged_by_their_variance() -> None:
    """Radii 1 and 2 are variances of 1 : 4, hence weights of 4 : 1."""
    walk = walked([0, 0], [0.0, 5.0], [1.0, 2.0])
    np.testing.assert_allclose(walk.filtered.x, [0.0, 1.0])
    np.testing.assert_allclose(walk.smoothed.x, [1.0, 1.0])
    np.testing.assert_allclose(walk.smoothed.radius, np.sqrt(0.8))
    np.testing.assert_allclose(walk.filtered.radius[0], 1.0)


def posterior(seconds: np.ndarray, x: np.ndarray, radius: np.ndarray, cfg: WalkConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (T,) of the positions by the one joint normal distribution of all states, inverted whole."""
    steps = len(seconds)
    precision, pull = np.zeros((2 * steps, 2 * steps)), np.zeros(2 * steps)
    precision[1, 1] = 1 / cfg.speed**2
    for t in range(steps):
        precision[2 * t, 2 * t] += (DEVIATIONS / radius[t]) ** 2
        pull[2 * t] += x[t] * (DEVIATIONS / radius[t]) ** 2
        if t:
            dt = seconds[t] - seconds[t - 1]
            unrest = cfg.sway**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
            step = np.hstack([-np.array([[1, dt], [0, 1]]), np.eye(2)])
            precision[2 * t - 2 : 2 * t + 2, 2 * t - 2 : 2 * t + 2] += step.T @ np.linalg.inv(unrest) @ step
    covariance = np.linalg.inv(precision)
    return (covariance @ pull)[::2], np.diag(covariance)[::2]


@pytest.mark.parametrize("seed", range(5))
def test_smoother_is_the_exact_posterior(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds, x, radius = np.cumsum(rng.uniform(0.5, 8, 12)), rng.normal(0, 5, 12), rng.uniform(0.5, 6, 12)
    walk = walked(seconds.tolist(), x.tolist(), radius.tolist())
    mean, variance = posterior(seconds, x, radius, PLAIN)
    np.testing.assert_allclose(walk.smoothed.x, mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(walk.smoothed.radius, DEVIATIONS * np.sqrt(variance), rtol=1e-6)
    last, spread = posterior(seconds[:7], x[:7], radius[:7], PLAIN)  # what was known then, and no more
    np.testing.assert_allclose(
        [walk.filtered.x[6], walk.filtered.radius[6]], [last[-1], DEVIATIONS * np.sqrt(spread[-1])], rtol=1e-6
    )


def test_tracks_beat_single_scans_and_keep_their_radius() -> None:
    """Walks drawn as the filter thinks people walk: errors fall from scan to filter to smoother, and 90 % lie within each radius."""
    rng, cfg, steps, walks = np.random.default_rng(7), WalkConfig(), 60, 60
    errors, within = np.zeros(3), np.zeros(2)
    for _ in range(walks):
        seconds = np.cumsum(rng.uniform(1, 4, steps))
        speed = rng.normal(0, cfg.speed, 2)
        place, true = np.zeros(2), []
        for dt in np.diff(seconds, prepend=seconds[0]):
            unrest = cfg.sway**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
            jump = rng.multivariate_normal(np.zeros(2), unrest, 2)  # by axis: position, speed
            place, speed = place + speed * dt + jump[:, 0], speed + jump[:, 1]
            true.append(place)
        radius = rng.uniform(2, 8, steps)
        seen = np.array(true) + rng.normal(size=(steps, 2)) * (radius / DEVIATIONS)[:, None]
        walk = follow(seconds, seen[:, 0], seen[:, 1], radius, coverage=COVERAGE, cfg=PLAIN)
        for number, track in enumerate((walk.filtered, walk.smoothed)):
            away = np.hypot(*(np.column_stack([track.x, track.y]) - true).T)
            errors[number + 1] += away.mean() / walks
            within[number] += (away <= track.radius).mean() / walks
        errors[0] += np.hypot(*(seen - true).T).mean() / walks
    assert errors[2] < 0.8 * errors[1] and errors[1] < 0.9 * errors[0]
    assert np.abs(within - COVERAGE).max() < 0.03


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(0, 6.28), shift=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), seed=st.integers(0, 1000))
def test_a_turned_floor_plan_turns_the_track(angle: float, shift: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds, places, radius = np.cumsum(rng.uniform(0, 5, 9)), rng.normal(0, 10, (9, 2)), rng.uniform(1, 5, 9)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    walks = [
        follow(seconds, at[:, 0], at[:, 1], radius, coverage=COVERAGE, cfg=WalkConfig()).smoothed
        for at in (places, places @ turn.T + shift)
    ]
    straight, turned = (np.column_stack([track.x, track.y]) for track in walks)
    np.testing.assert_allclose(turned, straight @ turn.T + shift, atol=1e-6)
    np.testing.assert_allclose(walks[0].radius, walks[1].radius)


def test_one_scan_far_off_counts_less() -> None:
    seconds, x = [float(t) for t in range(9)], [0.0] * 4 + [60.0] + [0.0] * 4
    plain, wary = (walked(seconds, x, [3.0] * 9, cfg) for cfg in (PLAIN, WalkConfig()))
    assert 0 < wary.smoothed.x[4] < 0.4 * plain.smoothed.x[4]
    assert wary.filtered.radius[4] > plain.filtered.radius[4]


def test_scans_without_a_place_are_bridged() -> None:
    walk = walked([0, 1, 2, 3, 4], [NAN, 0.0, NAN, NAN, 3.0], [NAN, 1.0, NAN, NAN, 1.0])
    assert np.isnan([walk.filtered.x[0], walk.smoothed.x[0], walk.smoothed.radius[0]]).all()
    assert walk.filtered.x[2] == 0.0 and 0.5 < walk.smoothed.x[2] < 1.5 < walk.smoothed.x[3] < 2.5
    assert walk.filtered.radius[1] < walk.filtered.radius[2] < walk.filtered.radius[3]
    assert (walk.smoothed.radius[2:4] < walk.filtered.radius[2:4]).all()
    nobody = walked([0, 1], [NAN, NAN], [NAN, NAN])
    assert np.isnan(nobody.smoothed.x).all() and len(walked([], [], []).filtered.x) == 0


def test_after_a_long_gap_another_visit_begins() -> None:
    seconds, x = [0.0, 2.0, 4.0, 400.0, 402.0, 404.0], [0.0, 2.0, 4.0, 50.0, 49.0, 48.0]
    both, later = walked(seconds, x, [1.0] * 6), walked([t - 400 for t in seconds[3:]], x[3:], [1.0] * 3)
    np.testing.assert_allclose(both.smoothed.x[3:], later.smoothed.x)
    np.testing.assert_allclose(both.smoothed.x[:3], walked(seconds[:3], x[:3], [1.0] * 3).smoothed.x)
    joined = walked(seconds, x, [1.0] * 6, WalkConfig(surprise=1e6, longest_gap_s=3_600))
    assert (
        both.filtered.speed_x[3] == 0 and abs(joined.filtered.speed_x[3]) > 0.1
    )  # where the first visit led says nothing


@pytest.mark.parametrize(
    ("seconds", "x", "radius", "words"),
    [
        ([1, 0], [0.0, 0.0], [1.0, 1.0], "sort the scans"),
        ([0, NAN], [0.0, 0.0], [1.0, 1.0], "sort the scans"),
        ([0, 1], [0.0, 0.0], [1.0, 0.0], "radius not above 0"),
        ([0, 1], [0.0, np.inf], [1.0, 1.0], "not finite"),
        ([0, 1], [0.0, NAN], [1.0, 1.0], "NaN together"),
        ([0, 1], [0.0, 0.0], [1.0], r"expected \(T,\) each"),
        (np.zeros(100_001).tolist(), np.zeros(100_001).tolist(), np.ones(100_001).tolist(), "100,000 is the bound"),
    ],
)
def test_hostile_scans_are_refused(seconds: list[float], x: list[float], radius: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        walked(seconds, x, radius)


def test_coverage_is_a_share() -> None:
    with pytest.raises(InputError, match=r"coverage 90"):
        follow(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1), coverage=90, cfg=PLAIN)
