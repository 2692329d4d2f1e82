"""Impression ids: they say what was shown, to whoever has the key, and to nobody else."""

from pathlib import Path

import numpy as np
import pytest

from serving.impressions import KEY_FILE, MAX_LENGTH, ImpressionIds, UnknownImpressionError, read_key

KEY = bytes(range(32))


def give(ids: ImpressionIds, count: int = 3) -> list[str]:
    codes = np.arange(count * 10).reshape(count, 10) - 2**62
    return ids.give(1_700_000_000_000_000, codes, np.linspace(-2, 0.1, count), np.linspace(0.05, 1, count))


def test_ids_say_to_the_last_bit_what_they_were_given_for() -> None:
    ids = ImpressionIds(KEY, 10)
    named = give(ids)
    found = ImpressionIds(KEY, 10).read(named)
    np.testing.assert_array_equal(found.codes, np.arange(30).reshape(3, 10) - 2**62)
    np.testing.assert_array_equal(found.offset, np.linspace(-2, 0.1, 3))
    np.testing.assert_array_equal(found.propensity, np.linspace(0.05, 1, 3))
    assert found.shown_us.tolist() == [1_700_000_000_000_000] * 3 and found.position.tolist() == [0, 1, 2]
    assert len(set(found.names) | set(ids.read(give(ids)).names)) == 6, "every slate has ids of its own"
    assert max(map(len, named)) <= MAX_LENGTH
    assert ids.read([]).names == () and ids.read([]).codes.shape == (0, 10)
    assert found.take(np.array([2, 0])).names == (found.names[2], found.names[0])


def test_whatever_was_not_given_out_is_not_known() -> None:
    ids = ImpressionIds(KEY, 10)
    good = give(ids)[0]
    others = [
        good[:-1],
        good + "A",
        good[:40] + ("A" if good[40] != "A" else "B") + good[41:],
        "",
        "é",
        "=" * 8,
        good[::-1],
    ]
    others += [give(ImpressionIds(b"x" * 32, 10))[0], give(ImpressionIds(KEY, 10))[0][:100]]
    for other in others:
        with pytest.raises(UnknownImpressionError, match="was not given out by this service"):
            ids.read([good, other])
    with pytest.raises(UnknownImpressionError):
        ImpressionIds(KEY, 11).read([good])


def test_the_key_of_a_folder_stays(tmp_path: Path) -> None:
    key = read_key(tmp_path / "online")
    assert len(key) == 32 and read_key(tmp_path / "online") == key
    assert (tmp_path / "online" / KEY_FILE).stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert [path.name for path in (tmp_path / "online").iterdir()] == [KEY_FILE]
    (tmp_path / "online" / KEY_FILE).write_bytes(b"short")
    with pytest.raises(ValueError, match="5 bytes, expected 32"):
        read_key(tmp_path / "online")
