"""Inspection beside the belt: the cloud's decisions from a signed bundle, a human when the model fails, refusals with a remedy."""

import importlib.util
import io
import json
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from edge.bots import Answer, SelfTestError
from edge.cli import app
from edge.export import build_bundle
from edge.inspection import InspectionBot, open_bot
from edge.runtime import EdgeRuntime, RuntimeConfig
from models.common.artifact import ArtifactError
from models.common.keys import generate_keys, read_private_key
from models.common.protocols import InputError
from models.inspection.config import Config
from models.inspection.data import READINGS, prepare
from models.inspection.pictures import read_square
from models.inspection.predict import InspectionInput, Predictor, load
from models.inspection.samples import samples_of, write_samples
from models.inspection.train import train

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Line:
    """A release of a small inspector, its bundle and keys, and the packages that it was made from."""

    folder: Path
    bundle: Path
    private: Path
    public: Path
    tables: dict[str, pa.Table]
    reports: Any
    manifest: Any

    def package(self, row: int, **more: Any) -> dict[str, Any]:
        told = self.tables["inspections"].slice(row, 1).to_pylist()[0]
        sent = {name: told[name] for name in ("package_id", "batch_id", *READINGS)}
        return {**sent, "picture": b64encode(told["picture"]).decode(), **more}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    root = tmp_path_factory.mktemp("line")
    spec = importlib.util.spec_from_file_location("inspection_case", ROOT / "tests" / "models" / "inspection_case.py")
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    cfg, tables = Config(**case.CONFIG), case.made()
    train(prepare(tables, cfg), cfg, seed=0).save(root / "release" / "artifact")
    told = tables["approved_samples"].append_column("packed_on", [list(range(6))])
    write_samples(root / "release" / "samples", samples_of(told))
    generate_keys(root / "signing.pem", root / "trusted.pem")
    manifest, reports = build_bundle(
        root / "release", root / "1.bundle", read_private_key(root / "signing.pem"), revision=1, precision="int8"
    )
    keys = (root / "signing.pem", root / "trusted.pem")
    return Line(root / "release", root / "1.bundle", *keys, tables, reports, manifest)


@pytest.fixture
def box(line: Line) -> Any:
    box = EdgeRuntime(open_bot(line.folder), line.manifest, RuntimeConfig(deadline_s=30.0))
    yield box
    box.close()


def test_decisions_are_the_clouds(line: Line, box: EdgeRuntime) -> None:
    rows = range(0, 240, 12)
    told = [line.tables["inspections"].slice(row, 1).to_pylist()[0] for row in rows]
    samples = line.tables["approved_samples"]
    cloud = load(line.folder / "artifact").predict(
        InspectionInput(
            np.stack([read_square(each["picture"]) for each in told]),
            np.stack([read_square(each) for each in samples["picture"].to_pylist()]),
            np.array([int(each["batch_id"][1:]) for each in told]),
            [[each[name] for name in READINGS] for each in told],
            np.stack([samples[name].to_numpy() for name in READINGS], axis=1),
        )
    )
    replies = [box.answer(line.package(row)) for row in rows]
    assert [each["decision"] for each in replies] == cloud.decision.tolist()
    assert len(set(cloud.decision)) > 1, "packages that are all alike say little"
    np.testing.assert_allclose([each["probability"] for each in replies], cloud.probability, rtol=1e-4, atol=1e-7)
    assert {each["miss_level"] for each in replies} == {0.1} and {each["breaker"] for each in replies} == {"closed"}
    json.dumps(replies, allow_nan=False)


def test_a_sample_sent_along_counts_as_the_known_one(line: Line, box: EdgeRuntime) -> None:
    sample = line.tables["approved_samples"].slice(5, 1).to_pylist()[0]
    sent = {**{name: sample[name] for name in READINGS}, "picture": b64encode(sample["picture"]).decode()}
    assert box.answer(line.package(230, batch_id=None, approved=sent)) == box.answer(line.package(230))


def test_weights_stay_as_the_thresholds_were_set_on(line: Line) -> None:
    (report,) = line.reports
    assert (report.file, report.precision, report.bytes_after) == ("network.onnx", "fp32", report.bytes_before)


def png(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"picture": png(4_000, 4_000)}, "picture: the picture has 4000 x 4000 = 16,000,000 pixels"),
        ({"picture": png(16, 16)}, "picture: 16 pixels a side, this model reads 32"),
        ({"picture": "bm8gcGljdHVyZQ=="}, "picture: 10 bytes that are no JPEG"),
        ({"picture": "%%%"}, "picture: no base64"),
        ({"batch_id": "B9"}, "batch_id: 'B9' is none of the 6 batches on this box: send its `approved` sample"),
        ({"batch_id": None}, "give either batch_id or the approved sample itself"),
        ({"weight_g": float("nan")}, "weight_g"),
        ({"weight_g": "500"}, "weight_g"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_request_says_field_and_remedy(line: Line, box: EdgeRuntime, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        box.answer(line.package(1, **more))
    assert box.status()["breaker"] == "closed"


def test_a_human_looks_where_the_model_fails_or_sensors_are_broken(line: Line, box: EdgeRuntime) -> None:
    class Broken(InspectionBot):
        def ask(self, request: Any) -> Answer:
            raise RuntimeError("no memory")

    whole = open_bot(line.folder)
    failing = EdgeRuntime(Broken(whole._predictor, whole._samples), line.manifest, RuntimeConfig())
    off = {"weight_g": 90_000.0, "pressure_kpa": 1_900.0, "temperature_c": 290.0}
    for reply in (failing.answer(line.package(1)), box.answer(line.package(1, **off))):
        assert (reply["served_by"], reply["decision"], reply["probability"]) == ("fallback", "human", None)
        assert reply["package_id"] == "K00001"
    failing.close()


def test_the_self_test_notices_another_model(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = open_bot(line.folder)
    expected = bot.expected()
    report = bot.self_test(expected)
    assert (report.values, report.worst_relative) == (16 * 3, 0.0)  # packages, kinds
    logits = Predictor.logits
    monkeypatch.setattr(Predictor, "logits", lambda self, *given: logits(self, *given) + 0.01)
    with pytest.raises(SelfTestError, match=r"package \d+, .*: expected .*keep the old bundle"):
        bot.self_test(expected)
    monkeypatch.setattr(Predictor, "logits", lambda self, *given: logits(self, *given) * np.nan)
    with pytest.raises(SelfTestError, match="off by nan"):
        bot.self_test(expected)
    with pytest.raises(SelfTestError, match="cannot be read"):
        bot.self_test(b"nothing")


def test_samples_that_do_not_fit_are_refused(line: Line, tmp_path: Path) -> None:
    whole = open_bot(line.folder)
    halved = type(whole._samples)(
        whole._samples.batch_ids, whole._samples.pictures[:, ::2, ::2], whole._samples.nominal
    )
    with pytest.raises(ArtifactError, match="6 approved samples of 16 pixels a side, the network reads 32"):
        InspectionBot(whole._predictor, halved)
    (tmp_path / "artifact").symlink_to(line.folder / "artifact")
    with pytest.raises(ArtifactError, match="no readable approved samples"):
        open_bot(tmp_path)


def test_the_command_from_bundle_to_a_line(line: Line, tmp_path: Path) -> None:
    def command(*arguments: Any, stdin: str | None = None) -> list[dict[str, Any]]:
        result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin)
        assert result.exit_code == 0, result.output
        return [json.loads(told) for told in result.stdout.splitlines() if told.startswith("{")]

    trust, home = ("--key", line.public), ("--home", tmp_path / "box")
    assert command("verify", line.bundle, *trust, "--json")[-1]["bot"] == "inspection"
    assert command("update", line.bundle, *home, *trust, "--json")[-1]["outcome"] == "updated"
    asked = "\n".join(json.dumps(each) for each in (line.package(230), {"package_id": "K1"}))
    first, second = command("run", *home, *trust, "--stdin", stdin=asked)
    assert (first["package_id"], first["served_by"][:5]) == ("K00230", "edge:") and "weight_g" in second["error"]
    status = command("status", *home, *trust, "--json")[-1]
    assert (status["batches"], status["newest_batch"], status["side_px"]) == (6, "B5", 32)
    assert status["kinds"] == ["none", "spot", "underfill"]


def test_a_line_imports_no_training_library() -> None:
    heavy = ("torch", "pandas", "scipy", "pyarrow", "duckdb", "onnx", "sklearn", "features", "serving", "cv2")
    code = f"import sys, edge.inspection, edge.runtime; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"
