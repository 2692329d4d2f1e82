"""`storeloop images next`: what a model doubts comes first, goes out with its proposals, and is not asked for twice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from data_checks.contracts import load_contract
from models.active_learning.config import Config
from models.active_learning.embedding import WIDTH, plain_embedding
from models.common.pictures import encode_picture
from orchestration.commands.images import app
from orchestration.image_sets import ImageSets
from orchestration.labelling import LabellingError, choose_next, hand_over
from sources.base import SourceError
from sources.images.image_set import ImageSet
from sources.images.open import open_images

PICTURES, LABELLED = 30, 6
EDGES = {"x_min_px": 16.0, "y_min_px": 8.0, "x_max_px": 24.0, "y_max_px": 12.0}


def path(number: int) -> str:
    return f"images/{number:02}.png"


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a set, shelves: grey pictures 00 to 29, of which 00 to 05 have a box, taken in once."""
    place = tmp_path_factory.mktemp("shelves")
    for folder in ("images", "labels"):
        (place / "yolo" / folder).mkdir(parents=True)
    (place / "yolo/classes.txt").write_text("milk\nbread\n")
    for i in range(PICTURES):
        (place / "yolo" / path(i)).write_bytes(encode_picture(np.full((20, 40, 3), 8 * i, np.uint8)))
        if i < LABELLED:
            (place / f"yolo/labels/{i:02}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    assert ImageSets(place / "home").take_in("shelves", f"yolo:{place / 'yolo'}").passed
    return place / "home"


@pytest.fixture
def home(taken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own; commands see the set."""
    monkeypatch.setenv("STORELOOP_HOME", str(taken))
    return tmp_path


@pytest.fixture
def shelves(taken: Path) -> ImageSet:
    return ImageSets(taken).open("shelves")


def images(*words: str) -> Any:
    done: Result = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def predictions(where: Path, sure: dict[int, float]) -> Path:
    """A box of milk in each of these pictures, with its confidence."""
    schema = load_contract("image_labels").arrow_schema()
    rows = [
        {**dict.fromkeys(schema.names), "label_id": f"m{i}", "image_id": path(i), "label": "milk", **EDGES,
         "confidence": confidence, "annotator": "detector 7"}
        for i, confidence in sure.items()
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), where)
    return where


def test_doubtful_pictures_go_to_label_studio_with_their_proposals_and_come_back(home: Path) -> None:
    told = predictions(home / "p.parquet", {3: 0.5, 10: 0.52, 11: 0.99, 12: 0.45, 13: 0.65})
    words = ("next", "shelves", "--count", "3", "--strategy", "margin", "--predictions", str(told))
    said = images(*words, "--out", str(home / "out"))
    # Doubt is 1 - |2c - 1| over the largest, that of 10: picture 3, the most doubtful, is labelled.
    assert [(row["image_id"], round(row["doubt"], 4)) for row in said["next"]] == [
        (path(10), 1.0), (path(12), round(0.9 / 0.96, 4)), (path(13), round(0.7 / 0.96, 4)),
    ]  # fmt: skip
    tasks = json.loads((home / "out/tasks.json").read_text())
    assert [task["predictions"][0]["score"] for task in tasks] == [0.52, 0.45, 0.65]
    assert all("annotations" not in task for task in tasks)
    assert [task["predictions"][0]["model_version"] for task in tasks] == ["detector 7"] * 3
    assert len(list((home / "out/pictures").rglob("*.png"))) == 3
    # A person accepts the first proposal and finds the second picture empty.
    tasks[0]["annotations"] = [{"result": tasks[0]["predictions"][0]["result"], "completed_by": 3}]
    tasks[1]["annotations"] = [{"result": [], "completed_by": 3}]
    (home / "out/tasks.json").write_text(json.dumps(tasks))
    assert images("import", "more", f"label_studio:{home / 'out/tasks.json'}")["counts"]["images"]["good"] == 2
    again = images(*words, "--labelled", "more")
    assert again["next"][0]["image_id"] == path(13) and len(again["next"]) == 3
    assert path(10) not in str(again) and path(12) not in str(again)


def test_yolo_has_the_proposals_with_their_confidence(home: Path) -> None:
    told = predictions(home / "p.parquet", {10: 0.5, 11: 0.9})
    images("next", "shelves", "--count", "2", "--strategy", "margin", "--predictions", str(told), "--form", "yolo",
           "--out", str(home / "out"))  # fmt: skip
    found = {file.name: file.read_text() for file in sorted((home / "out/labels").glob("*.txt"))}
    assert found == {
        "images__10.txt": "0 0.50000000 0.50000000 0.20000000 0.20000000 0.50000000\n",
        "images__11.txt": "0 0.50000000 0.50000000 0.20000000 0.20000000 0.90000000\n",
    }
    assert len(open_images(f"yolo:{home / 'out'}").labels) == 2


def test_a_class_that_the_set_lacks_is_named(home: Path, shelves: ImageSet) -> None:
    told = pq.read_table(predictions(home / "p.parquet", {10: 0.5, 11: 0.9}))
    soap = told.set_column(told.column_names.index("label"), "label", pa.array(["milk", "soap"]))
    for form, message in (
        ("yolo", r"soap \(1\) are no classes of the set, which has milk, bread"),
        ("label_studio", "'soap' by"),
    ):
        with pytest.raises(SourceError, match=message):
            hand_over(shelves.only([path(11)]), home / "out", form, predictions=soap)
        assert not (home / "out").exists()


def test_without_a_model_pictures_that_differ_are_chosen(home: Path) -> None:
    """Grey levels 0 to 40 are labelled: the farthest is the lightest, then the one half way between."""
    said = images("next", "shelves", "--count", "2", "--strategy", "coreset")
    assert [row["image_id"] for row in said["next"]] == [path(29), path(17)]
    assert "No model was asked" in said["notes"][1]


def test_embeddings_of_a_network_decide(home: Path, shelves: ImageSet) -> None:
    """A graph that calls a picture's light by its mean gives the same order as a table of light does."""
    cfg = Config(count=2, strategy="coreset")
    light = pa.table({"image_id": shelves.images["image_id"], "embedding": [[float(i)] for i in range(PICTURES)]})
    graph = home / "embedder.onnx"
    graph.write_bytes(mean_graph())
    broken = home / "broken.onnx"
    broken.write_bytes(b"no graph")
    by_table = choose_next(shelves, cfg, seed=0, embeddings=light)
    by_graph = choose_next(shelves, cfg, seed=0, embedder=graph)
    assert by_table.listed["image_id"].to_pylist() == by_graph.listed["image_id"].to_pylist() == [path(29), path(17)]
    assert by_table.chosen.images["image_id"].to_pylist() == [path(29), path(17)]
    some = shelves.only([path(3), path(20), path(1)])
    assert some.images["image_id"].to_pylist() == [path(3), path(20), path(1)]
    assert set(some.image_labels["image_id"].to_pylist()) == {path(3), path(1)}  # 20 has none
    with pytest.raises(SourceError, match=r"no picture 'x' \(1 such\)"):
        shelves.only(["x", path(1)])
    for message, told in (
        (r"1 of 30 pictures have none, such as 'images/29\.png'", {"embeddings": light.slice(0, 29)}),
        ("30 of 30 pictures have none", {"embeddings": light.rename_columns(["image_id", "vector"])}),
        ("both given", {"embeddings": light, "embedder": graph}),
        ("no ONNX graph", {"embedder": broken}),
    ):
        with pytest.raises(LabellingError, match=message):
            choose_next(shelves, cfg, seed=0, **told)  # type: ignore[arg-type]


def mean_graph() -> bytes:
    """(B, 3, 8, 8) in, the mean of a picture (B, 1) out."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["m"], ["y"], axes=[1], keepdims=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "mean", [value("x", TensorProto.FLOAT, ["B", 3, 8, 8])], [value("y", TensorProto.FLOAT, ["B", 1])]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    written: bytes = made.SerializeToString()
    return written


def test_whole_pictures_go_out_with_the_likeliest_class(home: Path, shelves: ImageSet) -> None:
    schema = load_contract("image_labels").arrow_schema()
    rows = [
        {**dict.fromkeys(schema.names), "label_id": f"{i}{name}", "image_id": path(i), "label": name,
         "confidence": share, "annotator": "classifier 2"}
        for i in range(PICTURES)
        for name, share in (("milk", i / 40), ("bread", 1 - i / 40))
    ]  # fmt: skip
    told = pa.Table.from_pylist(rows, schema=schema)
    chosen = choose_next(shelves, Config(count=3, strategy="badge"), seed=0, predictions=told)
    done = hand_over(chosen.chosen, home / "out", "label_studio", predictions=told)
    assert done.pictures == 3
    for task in json.loads((home / "out/tasks.json").read_text()):
        (guess,) = task["predictions"]
        (region,) = guess["result"]
        number = int(task["data"]["image"][-6:-4])
        assert region["value"] == {"choices": ["milk" if number >= 20 else "bread"]}
        assert guess["score"] == max(number / 40, 1 - number / 40)
    with pytest.raises(LabellingError, match="predictions lack annotator"):
        hand_over(chosen.chosen, home / "two", "label_studio", predictions=told.drop_columns(["annotator"]))
    with pytest.raises(LabellingError, match="form 'coco'"):
        hand_over(chosen.chosen, home / "two", "coco", predictions=told)


def test_a_plain_embedding_tells_light_and_edges() -> None:
    even = plain_embedding(np.full((20, 40, 3), 51, np.uint8))
    assert even.shape == (WIDTH,) and np.allclose(even[:192], 0.2) and (even[192:] == 0).all()
    across = np.zeros((64, 64, 3), np.uint8)
    across[:, 32:] = 255  # light grows to the right: of the 8 directions the first, in the 8 middle blocks of 16
    edges = plain_embedding(across)[192:].reshape(16, 8)
    np.testing.assert_allclose(edges[:, 0], np.tile([0, 1, 1, 0], 4))
    assert (edges[:, 1:] == 0).all()
    down = plain_embedding(across.transpose(1, 0, 2))[192:].reshape(16, 8)
    np.testing.assert_allclose(down[:, 4], np.repeat([0, 1, 1, 0], 4))
