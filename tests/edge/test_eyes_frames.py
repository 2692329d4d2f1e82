"""Frames of folders, videos and cameras on the network: what is broken is counted and left out, what is lost comes back."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.eyes.addresses import camera_of
from edge.eyes.frames import CameraError, FolderSource
from edge.eyes.video import LiveConfig, LiveVideo, VideoFile, redacted
from models.common.protocols import InputError

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def picture(level: int, ending: str = ".png", size: tuple[int, int] = (48, 64)) -> bytes:
    """Red of `level`, no green, half blue."""
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0], image[..., 2] = 128, level  # OpenCV: blue first
    return cv2.imencode(ending, image)[1].tobytes()


def video(file: Path, frames: int = 12) -> Path:
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return file


def levels(frames: list[Any]) -> list[int]:
    """The number of each frame of `video`, by its grey."""
    return [round(float(frame.image.mean()) / 20) for frame in frames]


def test_a_folder_gives_its_pictures_in_order_and_counts_what_is_broken(tmp_path: Path) -> None:
    for name, content in {
        "2.jpg": picture(100, ".jpg"), "1.png": picture(50), "3.png": picture(150)[:-30], "4.PNG": picture(200),
        "5.jpg": b"", "6.png": picture(1, ".png", (300, 300)), "note.txt": b"hello",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    (tmp_path / "7.png").mkdir()
    for number, name in enumerate(sorted(file.name for file in tmp_path.iterdir())):
        os.utime(tmp_path / name, (START.timestamp() + number,) * 2)
    source = FolderSource(tmp_path, "shelf", max_pixels=64 * 48)
    frames = list(source.frames())
    assert [round(float(frame.image[..., 0].mean()), -1) for frame in frames] == [50, 100, 200]
    assert (source.counts.frames, source.counts.broken) == (3, 4)
    assert (
        frames[1].time == START + timedelta(seconds=1)
        and frames[1].camera == "shelf"
        and frames[1].image.dtype == np.uint8
    )
    assert "7.png" in source.counts.problem
    with pytest.raises(CameraError, match="is no folder"):
        next(FolderSource(tmp_path / "no", "shelf").frames())


def test_a_folder_is_looked_at_in_the_order_of_its_times(tmp_path: Path) -> None:
    """By names the third would be older than the second, and what was followed so far would be void."""
    for name, second in {"10.png": 10, "11.png": 11, "9.png": 9, "8.png": 8, "12.png": 11}.items():
        (tmp_path / name).write_bytes(picture(10 * second + 10 * (name == "12.png")))
        os.utime(tmp_path / name, (START.timestamp() + second,) * 2)
    source = FolderSource(tmp_path, "shelf")
    frames = list(source.frames())
    assert [(frame.time - START).total_seconds() for frame in frames] == [8, 9, 10, 11, 11]
    assert [round(float(frame.image[..., 0].mean())) for frame in frames] == [80, 90, 100, 110, 120]
    assert "1 of 5 pictures are older than the one before by name" in source.counts.problem
    by_name = [round(float(frame.image[..., 0].mean())) for frame in FolderSource(tmp_path, "a", by_name=True).frames()]
    assert by_name == [100, 110, 120, 80, 90]
    (tmp_path / "8.png").unlink()
    (tmp_path / "9.png").unlink()
    named_in_order = FolderSource(tmp_path, "shelf")
    assert len(list(named_in_order.frames())) == 3 and named_in_order.counts.problem == ""


def test_a_video_gives_every_frame_with_its_time(tmp_path: Path) -> None:
    source = VideoFile(video(tmp_path / "a.avi"), "door", start=START)
    frames = list(source.frames())
    assert levels(frames) == list(range(12))
    assert [frame.time - START for frame in frames] == [timedelta(milliseconds=100 * number) for number in range(12)]
    assert (source.counts.frames, source.counts.broken) == (12, 0)


def test_broken_frames_of_a_video_are_counted_and_the_rest_keep_their_times(tmp_path: Path) -> None:
    file = video(tmp_path / "a.avi")
    content = bytearray(file.read_bytes())
    begins = [at for at in range(len(content) - 2) if content[at : at + 3] == b"\xff\xd8\xff"]
    assert len(begins) == 12
    for broken in (4, 5, 11):
        for at in range(begins[broken], begins[broken] + 215):
            content[at] = 0
    file.write_bytes(content)
    source = VideoFile(file, "door", start=START)
    frames = list(source.frames())
    assert levels(frames) == [0, 1, 2, 3, 6, 7, 8, 9, 10]
    assert frames[4].time - START == timedelta(milliseconds=600)
    assert (source.counts.frames, source.counts.broken) == (9, 3)


def test_what_is_no_video_or_too_large_a_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("hello")
    for file, message in ((tmp_path / "text.avi", "no video"), (tmp_path / "none.avi", "is no file")):
        with pytest.raises(CameraError, match=message):
            list(VideoFile(file, "door").frames())
    with pytest.raises(CameraError, match="64 x 48 pixels, 3000 are the bound"):
        list(VideoFile(video(tmp_path / "a.avi"), "door", max_pixels=3_000).frames())


class FakeCapture:
    """Gives `pictures`, then ends."""

    def __init__(self, pictures: list[Any], opened: bool = True, told: dict[int, float] | None = None) -> None:
        self.pictures, self.opened, self.released, self.told = list(pictures), opened, False, told or {}

    def isOpened(self) -> bool:
        return self.opened

    def read(self) -> tuple[bool, Any]:
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def get(self, name: int, /) -> float:
        return self.told.get(name, 0.0)

    def release(self) -> None:
        self.released = True


def test_a_lost_camera_is_opened_again_ever_later_and_at_once_patient_again_after_a_frame() -> None:
    good, odd = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    captures = [FakeCapture([good, odd, good]), *(FakeCapture([], opened=False) for _ in range(4)), FakeCapture([good])]
    made, waits = list(captures), []
    config = LiveConfig(first_wait_s=0.5, longest_wait_s=2.0)
    source = LiveVideo(
        "rtsp://user:secret@door/1", "door", config, open_capture=lambda *_: captures.pop(0), now=lambda: START
    )

    def pause(wait_s: float) -> None:
        waits.append(wait_s)
        if not captures:
            source.close()

    source._pause = pause  # type: ignore[method-assign]
    frames = list(source.frames())
    assert len(frames) == 3 and frames[0].time == START
    assert waits == [0.5, 1.0, 2.0, 2.0, 2.0, 0.5]
    assert (source.counts.frames, source.counts.broken, source.counts.reconnects) == (3, 1, 5)
    assert all(each.released for each in made)
    assert "secret" not in source.counts.problem and "//...@door" in source.counts.problem


def test_a_stream_of_too_large_frames_gives_none_before_it_is_smaller() -> None:
    """67 million pixels are 200 MB for each frame: none is asked for once the stream tells of them."""
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)
    wide = FakeCapture([large] * 3, told={cv2.CAP_PROP_FRAME_WIDTH: 8_192, cv2.CAP_PROP_FRAME_HEIGHT: 8_192})
    captures = [wide, FakeCapture([small, large, small])]
    source = LiveVideo(
        "rtsp://door/1", "door", LiveConfig(max_pixels=64), open_capture=lambda *_: captures.pop(0), now=lambda: START
    )
    problems: list[str] = []

    def pause(_: float) -> None:
        problems.append(source.counts.problem)
        if not captures:
            source.close()

    source._pause = pause  # type: ignore[method-assign]
    assert [frame.image.shape for frame in source.frames()] == [(4, 4, 3)] * 2
    assert len(wide.pictures) == 3 and wide.released and source.counts.broken == 1
    assert "8192 x 8192 pixels, 64 are the bound: set it to a smaller size; tried again after 0.5 s" in problems[0]


def test_each_frame_of_a_video_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.avi").write_bytes(b"a container that tells less than it holds")
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((90, 90, 3), np.uint8)
    told = {
        cv2.CAP_PROP_FPS: 10.0,
        cv2.CAP_PROP_FRAME_COUNT: 3,
        cv2.CAP_PROP_FRAME_WIDTH: 4,
        cv2.CAP_PROP_FRAME_HEIGHT: 4,
    }
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: FakeCapture([small, large, small], told=told))
    source = VideoFile(tmp_path / "a.avi", "door", start=START, max_pixels=100)
    assert [frame.time - START for frame in source.frames()] == [timedelta(0), timedelta(milliseconds=200)]
    assert source.counts.broken == 1 and "a frame of shape (90, 90, 3)" in source.counts.problem


@pytest.fixture
def camera() -> Iterator[tuple[str, list[int]]]:
    """A camera that streams MJPEG over HTTP and hangs up after five frames; how often it was asked."""
    asked: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(1)
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for level in range(5):
                body = picture(40 * level, ".jpg")
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body))
                self.wfile.write(body + b"\r\n")
            self.wfile.write(b"--frame--\r\n")

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stream", asked
    server.shutdown()


def test_a_real_stream_that_hangs_up_is_opened_again(camera: tuple[str, list[int]]) -> None:
    address, asked = camera
    source = LiveVideo(address, "door", LiveConfig(open_timeout_s=5, read_timeout_s=5, first_wait_s=0.05))
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if source.counts.reconnects >= 2:
            source.close()
    assert len(asked) >= 3 and len(frames) >= 9
    assert frames[0].image.shape == (48, 64, 3) and abs(float(frames[0].image[..., 2].mean()) - 128) < 5


def test_an_absent_camera_costs_no_longer_than_its_time_out() -> None:
    source = LiveVideo("rtsp://127.0.0.1:9/none", "door", LiveConfig(open_timeout_s=0.5, first_wait_s=0.1))
    threading.Timer(0.5, source.close).start()
    began = time.monotonic()
    assert list(source.frames()) == []
    assert time.monotonic() - began < 3


def test_a_camera_is_named_by_a_person(tmp_path: Path) -> None:
    video(tmp_path / "a.avi")
    assert camera_of("door=rtsp://10.0.0.5/1").live
    assert not camera_of(f"shelf={tmp_path}").live
    assert len(list(camera_of(f"till-1={tmp_path / 'a.avi'}").open().frames())) == 12
    for told in ("door", "=x", "a b=/tmp", "door=", f"door={tmp_path / 'none'}", "door=rtsp:/user:secret@x"):
        with pytest.raises(InputError):
            camera_of(told)
    with pytest.raises(CameraError, match="is no address"):
        LiveVideo("file:///etc/passwd", "door")
    assert redacted("rtsp://u:p@h/1") == "rtsp://...@h/1"
