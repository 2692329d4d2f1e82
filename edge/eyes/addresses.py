"""Cameras as a person names them on the command line: NAME=ADDRESS."""

import re
from pathlib import Path

from edge.eyes.feed import Camera
from edge.eyes.frames import FolderSource
from edge.eyes.video import LIVE_SCHEMES, LiveConfig, LiveVideo, VideoFile, redacted
from models.common.protocols import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def camera_of(told: str, config: LiveConfig | None = None) -> Camera:
    """`till-1=rtsp://HOST/path`, `door=/videos/door.mp4` or `shelf=/pictures`; InputError for anything else."""
    name, found, address = told.partition("=")
    if not found or not NAME.fullmatch(name) or not address:
        raise InputError(
            f"camera {redacted(told)!r}: give NAME=ADDRESS, a name of letters, digits and .-_, and a folder, a video or rtsp://..."
        )
    if address.startswith(LIVE_SCHEMES):
        return Camera(name, True, lambda: LiveVideo(address, name, config))
    path = Path(address)
    if path.is_dir():
        return Camera(name, False, lambda: FolderSource(path, name))
    if path.is_file():
        return Camera(name, False, lambda: VideoFile(path, name))
    raise InputError(
        f"camera {name}: {redacted(address)!r} is no folder, no file and no address such as rtsp://HOST/path"
    )
