"""The row with friends: what it hides, how its interval is drawn, and one draw on the real listeners."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models.recommender.config import Config

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from recommender_friends import KEPT, LISTENERS, Drawn, cut, draw, interval, listeners


def test_a_gain_of_every_listener_is_a_sure_ratio() -> None:
    without = np.array([0.2, 0.4, 0.6])
    draws = [Drawn(np.array(who), without, 1.5 * without) for who in ([0, 1, 2], [1, 2, 3])]
    assert interval(draws) == pytest.approx((1.5, 1.5, 1.5))


def test_the_interval_widens_with_what_listeners_differ_in() -> None:
    rng = np.random.default_rng(0)
    without = rng.uniform(0.2, 0.6, 400)
    ratio, low, high = interval([Drawn(np.arange(400), without, without * rng.normal(1.1, 0.5, 400))])
    assert low < ratio < high and 0.02 < high - low < 0.3


@pytest.mark.realdata
def test_friends_help_listeners_of_whom_five_artists_are_known(real_data: Path) -> None:
    """One of the five draws; hidden artists are in no list that a model reads."""
    data = listeners(real_data / "lastfm_hetrec2011")
    known = cut(data, 0)
    assert len(data.customers) == 1_892 and data.ties is not None and len(data.ties.items) == 25_434
    assert (known.lists.take(known.listeners).lengths == KEPT).all() and len(known.listeners) == LISTENERS
    assert known.lists.items.size + known.hidden.sum() == data.histories.items.size
    found = draw(data, Config(), seed=0)
    assert found.without.mean() > 0.47
    assert found.friends.mean() > 1.035 * found.without.mean()
