"""A camera's bundle knows what people enrolled since its networks were trained, and carries no photos."""

import base64
import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from edge.bundle import unpack
from edge.export import build_bundle
from edge.eyes.bot import open_bot
from models.common.keys import generate_keys, read_private_key, read_public_key
from models.detector.config import Config
from models.detector.data import prepare
from models.detector.enrol import enrol
from models.detector.enrolled import Enrolled, write_enrolled
from models.detector.photos import VIEWS
from models.detector.train import train


@pytest.fixture(scope="module")
def case() -> ModuleType:
    """tests/models/detector_case.py"""
    import importlib.util

    path = Path(__file__).parents[1] / "models" / "detector_case.py"
    spec = importlib.util.spec_from_file_location("edge_detector_case", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_enrolled_products_go_into_the_bundle_and_their_photos_do_not(case: ModuleType, tmp_path: Path) -> None:
    cfg = Config(**case.CONFIG)
    trained = train(prepare(case.made(), cfg), cfg, seed=1)
    trained.save(tmp_path / "release" / "artifact")
    checks = case.package(0)
    checks[:], checks[:8, :8], checks[8:, 8:] = (250, 90, 20), (20, 90, 250), (20, 90, 250)
    picture = np.full((96, 96, 3), 10, np.uint8)
    picture[40:56, 32:48] = checks
    at = datetime(2026, 1, 1, tzinfo=UTC)
    done = enrol(trained.predictor(), Enrolled(), "soap", [picture], by="Ada", at=at)
    write_enrolled(tmp_path / "release" / "enrolled", done.enrolled)
    generate_keys(tmp_path / "private.pem", tmp_path / "public.pem")
    build_bundle(tmp_path / "release", tmp_path / "1.bundle", read_private_key(tmp_path / "private.pem"), revision=1)
    unpack(tmp_path / "1.bundle", read_public_key(tmp_path / "public.pem"), tmp_path / "box")
    assert (tmp_path / "box" / "enrolled" / "enrolled.json").is_file()
    assert not (tmp_path / "box" / "enrolled" / "photos").exists()
    bot = open_bot(tmp_path / "box")
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    asked = bot.check({"picture": base64.b64encode(buffer.getvalue()).decode()})
    (item,) = json.loads(json.dumps(bot.ask(asked).reply))["items"]
    assert (item["product"], item["box"]) == ("soap", [32.0, 40.0, 48.0, 56.0])
    assert bot.card()["products"] == 5 and bot.card()["photos"] == len(trained.spec.products) + VIEWS
    shutil.rmtree(tmp_path / "release" / "enrolled")
    assert open_bot(tmp_path / "release").ask(asked).reply["items"][0]["product"] != "soap"
