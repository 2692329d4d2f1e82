"""The release of a tiny real inspector with the approved samples of its batches. Loaded by conftest."""

import io
import shutil
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image
from release_factory import FIRST, Releases, model_helper

from models.inspection.config import Config
from models.inspection.data import READINGS, prepare
from models.inspection.samples import samples_of, write_samples
from models.inspection.train import train
from serving.release import build_release


@cache
def tables() -> dict[str, Any]:
    """240 packages of six batches B0 to B5, 32 pixels a side."""
    made: dict[str, Any] = model_helper("inspection_case").made()
    return made


def package(row: int, **more: object) -> dict[str, Any]:
    """A package of the tables as a service is asked about it."""
    told = tables()["inspections"].slice(row, 1).to_pylist()[0]
    sent = {name: told[name] for name in ("package_id", "batch_id", *READINGS)}
    return {**sent, "picture": b64encode(package_file(row)).decode(), **more}


def package_file(row: int) -> bytes:
    """The file of its picture."""
    file: bytes = tables()["inspections"]["picture"][row].as_py()
    return file


def png(width: int, height: int) -> bytes:
    """A black picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def hostile() -> dict[str, tuple[bytes, int, str]]:
    """Name -> file, status and what is said of it by a service of pictures of 32 pixels a side."""
    sound = package_file(0)
    return {
        "text": (b"not a picture", 415, "no JPEG, PNG or WebP"),
        "half": (sound[: len(sound) // 2], 400, "cut off or damaged"),
        "bomb": (png(4_000, 4_000), 413, "at most 1,024 and 32 a side"),
        "small": (png(16, 16), 400, "16 pixels a side, this model reads 32"),
        "wide": (png(32, 20), 400, "32 x 20 pixels, expected a square"),
    }


def make_inspection_releases(root: Path) -> Releases:
    cfg = Config(**model_helper("inspection_case").CONFIG)
    samples = samples_of(tables()["approved_samples"].append_column("product_id", [["P1"] * 6]).append_column(
        "packed_on", [list(range(6))]
    ))  # fmt: skip
    trained = train(prepare(tables(), cfg), cfg, seed=0)
    artifact_id = trained.save(root / "artifacts" / FIRST).artifact_id

    def fill(folder: Path) -> None:
        shutil.copytree(root / "artifacts" / FIRST, folder / "artifact")
        write_samples(folder / "samples", samples)

    build_release(root / "inspection" / FIRST, artifact_id, fill)
    releases = Releases(root, {FIRST: artifact_id}, samples.batch_ids, "inspection")
    releases.promote(FIRST)
    return releases


def inspection_settings(releases: Releases) -> dict[str, str]:
    """Environment of a service on these releases."""
    return {
        "STORELOOP_SERVE_RELEASES": str(releases.root),
        "STORELOOP_SERVE_POLL_S": "0.05",
        "STORELOOP_SERVE_DEADLINE_MS": "10000",  # a starved test machine is not a slow model
    }
