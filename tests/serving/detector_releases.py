"""Releases of product recognition by networks made by hand. Loaded by conftest."""

import io
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from release_factory import FIRST, SECOND, Releases, model_helper

from models.detector.config import Config
from models.detector.data import prepare
from models.detector.train import train
from serving.detector_pictures import example
from serving.release import build_release

ENGINEERS = {"Ada": "ada-token-0123456789"}


def case() -> ModuleType:
    """tests/models/detector_case.py"""
    return model_helper("detector_case")


def make_detector_releases(root: Path) -> Releases:
    cfg, ids = Config(**case().CONFIG), {}
    for seed, name in enumerate((FIRST, SECOND)):
        trained = train(prepare(case().made(seed=seed), cfg), cfg, seed=seed)
        ids[name] = trained.save(root / "artifacts" / name).artifact_id

        def fill(folder: Path, *, name: str = name) -> None:
            shutil.copytree(root / "artifacts" / name, folder / "artifact")

        build_release(root / "detector" / name, ids[name], fill)
    releases = Releases(root, ids, (example(),), "detector")
    releases.promote(FIRST)
    return releases


def detector_settings(releases: Releases) -> dict[str, str]:
    """Environment of a service on these releases."""
    return {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_PICTURE_DEADLINE_MS": "30000",  # a starved test machine is not a slow model
        "STORELOOP_SERVE_ENGINEERS": ",".join(f"{name}:{token}" for name, token in ENGINEERS.items()),
    }


def shelf(*products: int) -> np.ndarray:
    """A dark picture (96, 96, 3) with packages side by side, the first at (8, 8); -1 leaves a gap."""
    picture = np.full((96, 96, 3), 15, np.uint8)
    for place, product in enumerate(products):
        if product >= 0:
            left = 8 + 32 * place
            picture[8:24, left : left + 16] = case().package(product)
    return picture


def soap() -> np.ndarray:
    """(16, 16, 3): a package in checks, in the colours that all have."""
    face = case().package(0)
    face[:], face[:8, :8], face[8:, 8:] = (250, 90, 20), (20, 90, 250), (20, 90, 250)
    return face


def photos_of(face: np.ndarray, count: int = 5) -> list[bytes]:
    """PNG files of a package alone on something dark, a little darker in each."""
    taken = []
    for number in range(count):
        picture = np.full((96, 96, 3), 10, np.uint8)
        picture[40:56, 32:48] = np.clip(face.astype(int) - 2 * number, 0, 255)
        taken.append(png(picture))
    return taken


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def multipart(*parts: tuple[str, str, bytes], **fields: str) -> tuple[bytes, str]:
    """Body and content type of a form: files (field, name, content) and text fields (RFC 7578)."""
    boundary, body = "storeloop-boundary", b""
    for name, value in fields.items():
        body += f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for field, file, content in parts:
        head = f'content-disposition: form-data; name="{field}"; filename="{file}"\r\ncontent-type: image/png'
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
