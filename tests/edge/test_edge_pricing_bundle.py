"""A bundle of prices: graphs in place of weights, nothing else, and no export that answers otherwise."""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge.bundle import unpack
from edge.cli import app
from edge.export import ExportError
from edge.pricing import GraphNetwork, convert, open_bot
from models.common.artifact import ArtifactError, read_manifest
from models.common.keys import read_public_key
from models.pricing.graph import to_graph
from models.pricing.ladder import NAME
from models.pricing.network import Network
from models.pricing.predict import PriceInput, load

ROOT = Path(__file__).parents[2]
SHELF = {"period": 0, "stock": [0, 0, 0, 6], "before": 3.0, "factors": {"weather": 0.5, "competitor_price": 1.0}}


def test_a_bundle_carries_graphs_and_the_champions_name(shop: Any, tmp_path: Path) -> None:
    with tarfile.open(shop.root / "1.bundle") as tar:
        names = set(tar.getnames())
    markets = [each.instance.name for each in load(shop.folder / "artifact").spec.markets]
    head = {"bundle.json", "bundle.sig", "selftest.safetensors", "artifact/manifest.json", "artifact/model.json"}
    assert names == head | {f"artifact/{name}.onnx" for name in (*markets, "fresh")} | {
        "artifact/fresh_goods.safetensors",
        "fallback/ladders.json",
    }
    manifest, reports = shop.built
    assert manifest.artifact_id == read_manifest(shop.folder / "artifact").artifact_id
    assert {report.precision for report in reports} == {"fp32"}
    first = (shop.root / "1.bundle").read_bytes()
    assert shop.bundle().read_bytes() == first, "the same release, the same bytes"


def test_8_bits_that_move_a_price_are_refused(pricing: ModuleType, tmp_path: Path) -> None:
    """Every value within the bound that other bots keep to, and yet another label here and there."""
    close = pricing.Shop(tmp_path, value=0.1)
    with pytest.raises(
        ExportError, match=r"8 bits move prices of 2000 shelves a network, 0 is the bound: \d+ of \w+.* fp32"
    ):
        close.bundle(precision="int8")


def test_8_bits_that_move_no_price_are_taken(pricing: ModuleType, tmp_path: Path) -> None:
    """A network that has not learned: what tells its prices apart has no weights to lose."""
    fresh = pricing.Shop(tmp_path, heads=0.0, value=0.1)
    small, key = fresh.bundle(1, precision="int8").stat().st_size, read_public_key(fresh.public)
    reports = fresh.built[1]
    assert {report.precision for report in reports} == {"int8"}
    assert all(output.worst_of_range > 0 for report in reports for output in report.parity)
    assert small < 0.6 * fresh.bundle(2).stat().st_size
    unpack(tmp_path / "1.bundle", key, tmp_path / "there")
    here, there = open_bot(tmp_path / "there"), load(fresh.folder / "artifact")
    for trial in here.trials:
        asked = trial.situations(1_000, seed=9)
        np.testing.assert_array_equal(here.quote(asked).price, there.predict(asked).price)


def test_an_export_that_answers_otherwise_is_refused(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = Network.values
    monkeypatch.setattr(Network, "values", lambda self, states: values(self, states) * np.float32(1.001))
    with pytest.raises(ExportError, match=r"salad\.onnx: a value is 1\.0e-03 off"):
        convert(shop.folder / "artifact", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_graph_is_the_networks_arithmetic() -> None:
    """Three states by hand: hidden layers that pass two inputs on, a weight of gains that is clipped at exp(3)."""
    zero = {"first": (2, 4), "second": (2, 2), "value": (1, 2), "advantage": (2, 2), "weight": (1, 2)}
    parts = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in zero.items()}
    parts |= {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in zero.items()}
    parts["first.weight"][:, :2] = np.eye(2)
    parts["second.weight"][:] = np.eye(2)
    parts["value.weight"][0] = [1.0, 0.0]
    parts["weight.weight"][0] = [0.0, 1.0]
    graph = GraphNetwork(to_graph(Network(parts)), "by hand")
    assert (graph.width, graph.prices) == (4, 2)
    found = graph.values(np.array([[5, 0, 1, 3], [-5, 0, 1, 3], [0, 50, 0, 2]], np.float32))
    e3 = float(np.exp(3))
    np.testing.assert_allclose(found, [[4, 6], [-1, 1], [-e3, e3]], rtol=1e-6)


def test_a_damaged_graph_is_refused(shop: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="by hand is no graph"):
        GraphNetwork(b"nothing", "by hand")
    with pytest.raises(ArtifactError, match="manifest"):
        open_bot(shop.folder)  # a release as the cloud has it: no graphs


def test_the_command_from_release_to_a_box(shop: Any, tmp_path: Path) -> None:
    def command(*arguments: Any, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.splitlines()[-1])

    trust, home = ("--key", shop.public), ("--home", tmp_path / "box")
    for revision in (3, 4):
        built = command("build", shop.folder, tmp_path / f"{revision}", "--key", shop.private, "--revision", revision)
        assert (built["bot"], built["files"]) == ("pricing", 15)
        assert command("update", tmp_path / f"{revision}", *home, *trust)["outcome"] == "updated"
    status = command("status", *home, *trust)
    assert (status["markets"], status["revision"]) == (
        sorted(each.instance.name for each in load(shop.folder / "artifact").spec.markets),
        4,
    )
    assert "days_behind" not in status, "problems told in full have no day"
    assert command("rollback", *home, *trust, "--reason", "labels look odd")["outcome"] == "rolled_back"
    request = json.dumps({"market": "salad", "shelves": [SHELF]})
    result = CliRunner().invoke(app, ["run", *map(str, (*home, *trust)), "--stdin"], input=f"{request}\nno json\n")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    levels = {name: [level] for name, level in SHELF["factors"].items()}
    there = load(shop.folder / "artifact").predict(PriceInput("salad", [0], [SHELF["stock"]], [3.0], levels))
    assert (first["revision"], first["shelves"][0]["price"]) == (3, there.price[0])
    assert "error" in second


def test_labels_are_the_services_in_an_environment_of_its_own(
    pricing: ModuleType, wild: ModuleType, shop: Any, tmp_path: Path
) -> None:
    """Installed there: the extra `edge` alone."""
    python = pricing.edge_venv().make_edge_venv(tmp_path)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    rows = [row for name in ("oysters", "flight") for row in pricing.situations_of(name, 100, seed=21)]
    cloud = load(shop.folder / "artifact")
    fresh = pricing.fresh_situations_of(cloud.fresh, 100, seed=21)
    (tmp_path / "now.json").write_text(json.dumps([*rows, *fresh]))

    def on_the_box(*arguments: Any) -> Any:
        done = subprocess.run(
            [python, *map(str, arguments)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return json.loads(done.stdout)

    absent = ("torch", "scipy", "gymnasium", "stable_baselines3", "pandas", "pyarrow", "yaml", "onnx")
    code = f"import json, importlib.util as u; print(json.dumps([n for n in {absent} if u.find_spec(n)]))"
    assert on_the_box("-c", code) == []
    names = ("--home", tmp_path / "box", "--key", shop.public, "--json")
    assert on_the_box("-m", "edge.cli", "update", shop.root / "1.bundle", *names)["outcome"] == "updated"
    told = on_the_box("-m", "edge.cli", "labels", "price", tmp_path / "now.json", *names)
    assert told["decided"] == 300 and set(told["served_by"]) == {f"edge:{shop.built[0].artifact_id[:12]}", NAME}
    shown = json.loads((tmp_path / "box" / "labels.json").read_bytes())["labels"]
    service, labelled = wild.Cloud(shop.folder), {"id", "label", "market"}
    for those in (rows[:100], rows[100:], fresh):
        shelves = [{name: row[name] for name in row.keys() - labelled} for row in those]
        there = [row["price"] for row in service.rows(those[0]["market"], shelves)]
        assert [shown[row["label"]]["price"] for row in those] == there
