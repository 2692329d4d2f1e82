"""The id of a box: made once, whoever asks first, and told from what it is not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge import box_id as ids
from edge.box_id import box_id
from edge.eyes.cameras import sender
from models.common.protocols import InputError


def test_a_box_has_one_id_however_many_ask_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        (one,) = set(pool.map(box_id, [tmp_path / "a"] * 32))
    assert box_id(tmp_path / "a") == one != box_id(tmp_path / "b")
    assert oct((tmp_path / "a" / ids.FILE).stat().st_mode)[-3:] == "644", "who asks for the status may be another user"


def test_boxes_on_hosts_of_one_name_are_two_to_a_broker(tmp_path: Path) -> None:
    """A broker hangs up on the first of two that come under one client id."""
    told = [sender("mqtt://broker", box=box_id(tmp_path / name))._client_id for name in "ab"]
    assert told[0] != told[1]
    assert max(map(len, told)) <= 23, "what every broker of MQTT 3.1.1 must take"


@pytest.mark.parametrize("content", ["", "kiosk-1", "0123456789AB", "0123456789abc", "ü"])
def test_an_altered_id_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / ids.FILE).write_text(content)
    with pytest.raises(InputError, match="12 hexadecimal digits"):
        box_id(tmp_path)
