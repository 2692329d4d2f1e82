"""The recommender on a kiosk: the cloud's lists, no customer in the bundle, and an answer when the model fails."""

import importlib.util
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge.bots import Answer, SelfTestError
from edge.bundle import unpack
from edge.cli import app
from edge.export import INT8_TOLERANCE, build_bundle
from edge.recommender import HISTORY_MAX, RecommenderBot, open_bot
from edge.runtime import EdgeRuntime, RuntimeConfig, open_bundle
from features.online_customers import CustomerBatch, write_customers_snapshot
from models.common.keys import generate_keys, read_private_key, read_public_key
from models.common.protocols import InputError
from models.recommender.config import Config
from models.recommender.data import prepare
from models.recommender.fallback import count_popular, write_popular
from models.recommender.predict import Predictor, RecommendInput, load
from models.recommender.train import train

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kiosk:
    """A release of a small recommender, and its keys."""

    folder: Path
    private: Path
    public: Path
    predictor: Predictor

    def bundle(self, out: Path, **options: Any) -> Any:
        return build_bundle(self.folder, out, read_private_key(self.private), revision=1, **options)


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Kiosk:
    root = tmp_path_factory.mktemp("kiosk")
    spec = importlib.util.spec_from_file_location("recommender_case", ROOT / "tests" / "models" / "recommender_case.py")
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    cfg = Config(**case.CONFIG)
    data = prepare(case.tables(None, cfg), cfg)
    trained = train(data, cfg, seed=1)
    assert trained.spec.candidates, "without a ranker these tests say little"
    folder = root / "release"
    trained.save(folder / "artifact")
    segment = np.asarray(["loyal" if number % 2 else "new" for number in range(len(data.customers))])
    write_popular(folder / "fallback", count_popular(data.histories, data.items.tolist(), segment))
    one = CustomerBatch(("secret-id",), np.ones(1, dtype=np.bool_), (("k0-1",),), {}, {"segment": np.asarray(["new"])})
    write_customers_snapshot(folder / "customers", one)
    generate_keys(root / "signing.pem", root / "trusted.pem")
    return Kiosk(folder, root / "signing.pem", root / "trusted.pem", load(folder / "artifact"))


@pytest.fixture(scope="module")
def box(kiosk: Kiosk, tmp_path_factory: pytest.TempPathFactory) -> EdgeRuntime:
    folder = tmp_path_factory.mktemp("box")
    kiosk.bundle(folder / "one.bundle")
    unpack(folder / "one.bundle", read_public_key(kiosk.public), folder / "there")
    opened = open_bundle(folder / "there", read_public_key(kiosk.public))
    opened.self_test(folder / "there")
    yield opened
    opened.close()


def histories(items: tuple[str, ...], count: int) -> list[list[str]]:
    """Random histories, an empty one, one of strangers alone, one with an item twice."""
    rng = np.random.default_rng(5)
    made = [rng.permutation(items)[: rng.integers(1, 30)].tolist() for _ in range(count)]
    return [*made, [], ["nobody-sells-this"], [items[3], items[9], items[3]]]


def named(reply: dict[str, Any]) -> list[str]:
    return [row["item"] for row in reply["items"]]


def test_lists_are_the_clouds(kiosk: Kiosk, box: EdgeRuntime) -> None:
    asked = histories(kiosk.predictor.spec.items, 60)
    cloud = kiosk.predictor.predict(RecommendInput(asked, k=10))
    for row, history in enumerate(asked):
        reply = box.answer({"history": history, "k": 10})
        wanted = [item for item in cloud.items[row].tolist() if item]
        assert named(reply) == wanted
        np.testing.assert_allclose(
            [item["score"] for item in reply["items"]], cloud.scores[row, : len(wanted)], rtol=1e-4
        )
        assert reply["known"] == cloud.known[row]
        assert not set(named(reply)) & set(history)
    assert box.status()["answered_by_model"] == len(asked)


def test_what_is_out_of_stock_is_not_shown_and_all_else_is(kiosk: Kiosk, box: EdgeRuntime) -> None:
    items = kiosk.predictor.spec.items
    history = [items[0], items[1]]
    gone = named(box.answer({"history": history, "k": 3}))
    rest = named(box.answer({"history": history, "k": 100, "unavailable": gone}))
    assert sorted(rest) == sorted(set(items) - set(history) - set(gone))
    with pytest.raises(InputError, match="none of 60 items is left"):
        box.answer({"unavailable": list(items)})


def test_reasons_name_items_of_the_history(box: EdgeRuntime) -> None:
    reply = box.answer({"history": ["k1-1", "k1-2", "k4-0"], "k": 5, "reasons": True})
    shares = [reason for row in reply["items"] for reason in row["reasons"]]
    assert shares
    assert {reason["item"] for reason in shares} <= {"k1-1", "k1-2", "k4-0"}
    json.dumps(reply, allow_nan=False)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"k": 0}, "k: "),
        ({"k": 1_000_000}, "k: "),
        ({"k": "5"}, "k: "),
        ({"history": "k1-1"}, "history"),
        ({"history": [""]}, "history.0"),
        ({"history": ["a"] * (HISTORY_MAX + 1)}, "history"),
        ({"history": [float("nan")]}, "history.0"),
        ({"customer_id": "c1"}, "customer_id"),
    ],
)
def test_a_wrong_request_says_field_and_bound(box: EdgeRuntime, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        box.answer(request_)
    assert box.status()["breaker"] == "closed"


def test_a_bundle_holds_no_customer(kiosk: Kiosk, tmp_path: Path) -> None:
    kiosk.bundle(tmp_path / "one.bundle")
    with tarfile.open(tmp_path / "one.bundle") as tar:
        names = tar.getnames()
        assert not any(name.startswith("customers") for name in names)
        assert {"artifact/encoder.onnx", "artifact/ranker.onnx", "fallback/popular.json"} <= set(names)
    assert b"secret-id" not in (tmp_path / "one.bundle").read_bytes()


def test_a_failing_model_is_replaced_by_what_the_segment_takes(kiosk: Kiosk) -> None:
    class Broken(RecommenderBot):
        def ask(self, request: Any) -> Answer:
            raise RuntimeError("no memory")

    whole = open_bot(kiosk.folder)
    broken = Broken(whole._predictor, whole._popular, knows_until="2026-01-01")
    manifest = kiosk.bundle(kiosk.folder.parent / "again.bundle")[0]
    box = EdgeRuntime(broken, manifest, RuntimeConfig(failures=2, reset_s=60))
    popular, _ = whole._popular.best("loyal", 6, lambda item: True)
    reply = box.answer({"history": [popular[0]], "segment": "loyal", "k": 4, "unavailable": [popular[2]]})
    box.close()
    assert reply["served_by"] == "fallback"
    assert named(reply) == [popular[1], *popular[3:6]]


def test_8_bits_shrink_the_graphs_and_keep_the_lists(kiosk: Kiosk, tmp_path: Path) -> None:
    """What it costs: of the ten items of a list nine or more stay, on the mean over random customers."""
    _, reports = kiosk.bundle(tmp_path / "int8.bundle", precision="int8")
    small = {report.file: report for report in reports if report.precision == "int8"}
    assert set(small) == {"encoder.onnx"}
    for report in small.values():
        assert report.bytes_after < report.bytes_before
        assert all(output.worst_of_range <= INT8_TOLERANCE for output in report.parity)
    key = read_public_key(kiosk.public)
    unpack(tmp_path / "int8.bundle", key, tmp_path / "there")
    box = open_bundle(tmp_path / "there", key)
    box.self_test(tmp_path / "there")
    asked = histories(kiosk.predictor.spec.items, 60)
    cloud = kiosk.predictor.predict(RecommendInput(asked, k=10)).items
    kept = [
        len(set(named(box.answer({"history": history}))) & set(cloud[row].tolist())) / 10
        for row, history in enumerate(asked)
    ]
    box.close()
    assert np.mean(kept) >= 0.9


def test_the_self_test_notices_another_model(kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = open_bot(kiosk.folder)
    expected = bot.expected()
    assert bot.self_test(expected).values == 320
    shortlist = Predictor.shortlist

    def drifted(self: Predictor, *given: Any, **named_: Any) -> Any:
        items, scores = shortlist(self, *given, **named_)
        return items, scores * np.float32(1.01)

    monkeypatch.setattr(Predictor, "shortlist", drifted)
    with pytest.raises(SelfTestError, match=r"customer \d+, place \d+: expected a score"):
        bot.self_test(expected)
    with pytest.raises(SelfTestError, match="cannot be read"):
        bot.self_test(b"nothing")


def test_the_command_from_release_to_a_kiosk(kiosk: Kiosk, tmp_path: Path) -> None:
    def command(*arguments: Any) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout.splitlines()[-1])

    out, trust, home = tmp_path / "kiosk.bundle", ("--key", kiosk.public), ("--home", tmp_path / "box")
    assert command("build", kiosk.folder, out, "--key", kiosk.private, "--revision", 3)["bot"] == "recommender"
    assert command("verify", out, *trust)["verified"] is True
    assert command("update", out, *home, *trust)["outcome"] == "updated"
    reply = command("run", *home, *trust, "--taken", "k1-1", "--taken", "k1-2", "--count", 4)
    assert named(reply) == kiosk.predictor.predict(RecommendInput([["k1-1", "k1-2"]], k=4)).items[0].tolist()
    status = command("status", *home, *trust)
    assert (status["items"], status["segments"], status["revision"]) == (60, 2, 3)
    assert "ranker" in status["parts"]


def test_a_kiosk_imports_no_training_library() -> None:
    heavy = ("torch", "pandas", "scipy", "pyarrow", "duckdb", "implicit", "onnx", "sklearn", "features")
    code = f"import sys, edge.recommender, edge.runtime; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"
