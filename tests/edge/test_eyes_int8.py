"""Networks of a camera in 8 bits: what stays in fp32 and why, what is refused, and a bundle that sees what it saw before."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import eyes_fakes as FAKES
import eyes_graphs as GRAPHS
import numpy as np
import onnx
import pytest
from box_commands import command

from edge.export import ExportError
from edge.eyes.agreement import agreement
from edge.eyes.bot import DETECTOR, EMBEDDER, EyesSpec, open_bot
from edge.eyes.quantised import quantise_eyes, read_pictures
from edge.int8 import BACKBONE, WHOLE, decoding, quantise
from edge.session import open_session
from models.common.artifact import ArtifactError
from models.detector.boxes import Detections, letterbox, to_tensor
from models.detector.networks import Named

RNG = np.random.default_rng(8)


def shelves(count: int) -> list[np.ndarray]:
    """Milk stands everywhere, two of the others in turn; a little noise, as cameras have."""
    others = [{"tea": 5}, {"rice": 5, "salt": 5}, {"tea": 5, "salt": 5}]
    clean = [FAKES.picture(milk=5, **others[number % 3]).astype(int) for number in range(count)]
    return [np.clip(each + RNG.integers(-3, 4, each.shape), 0, 255).astype(np.uint8) for each in clean]


def tensors(pictures: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
    return [{"images": to_tensor([letterbox(each, GRAPHS.SIDE)[0]])} for each in pictures]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    networks = GRAPHS.deep_detector_graph(), GRAPHS.deep_embedder_graph()
    return GRAPHS.small_release(tmp_path_factory.mktemp("int8") / "release", FAKES.PRODUCTS, *networks)


def test_what_no_learnt_layer_follows_stays_in_fp32() -> None:
    """The distribution's convolution reads a softmax: it belongs to the decoding."""
    from onnx import helper

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="between"),
        helper.make_node("Conv", ["b", "w"], ["c"], name="head"),
        helper.make_node("Softmax", ["c"], ["d"], name="shares"),
        helper.make_node("Conv", ["d", "w"], ["e"], name="mean"),
        helper.make_node("Concat", ["e", "c"], ["y"], name="joined"),
    ]
    graph = SimpleNamespace(node=nodes)
    assert decoding(graph, fine_heads=True) == {"head", "shares", "mean", "joined"}
    assert decoding(graph, fine_heads=False) == {"shares", "mean", "joined"}


def test_scores_keep_their_steps_beside_pixels() -> None:
    """One scale for boxes up to 53 and scores up to 1 would move scores by up to 53 / 255 / 2, a tenth."""
    model, given = GRAPHS.deep_detector_graph(), tensors(shelves(8))
    made = quantise(model, given[:4], WHOLE)
    assert made.nodes == 3, "the first convolution, sigmoid and product: the last one and what follows are the head"
    kinds = [node.op_type for node in onnx.load_model_from_string(made.model).graph.node]
    assert kinds.count("Conv") == 2 and "QuantizeLinear" in kinds
    first, second = open_session(model), open_session(made.model)
    for feed in given[4:]:
        wanted, found = (session.run(None, feed)[0] for session in (first, second))
        assert (found[:, :4] == wanted[:, :4]).all(), "boxes are constants here"
        assert 0 < np.abs(found[:, 4] - wanted[:, 4]).max() < 0.02
    assert quantise(GRAPHS.detector_graph(), given, WHOLE).nodes == 0, "a head alone stays as it is"
    with pytest.raises(ValueError, match="no inputs to calibrate on"):
        quantise(model, [], WHOLE)


def test_an_embedder_keeps_its_directions() -> None:
    model = GRAPHS.deep_embedder_graph()
    given = [
        {
            "images": RNG.normal(0, 1, (8, 3, 16, 16)).astype(np.float32)
            + RNG.normal(0, 1, (8, 3, 1, 1)).astype(np.float32)
        }
    ]
    made = quantise(model, given, BACKBONE)
    assert made.nodes == 2
    wanted, found = (open_session(each).run(None, given[0])[0] for each in (model, made.model))
    cosines = (wanted * found).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    assert 0.999 < cosines.min() < 1


def test_agreement_by_hand() -> None:
    """Four sure boxes, three found again (one of them shifted to an overlap of 0.6), one invented; two of three named alike."""
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10], [80, 0, 90, 10]], float)
    seen = Detections(boxes, np.array([0.9, 0.9, 0.9, 0.7, 0.45]))
    shifted = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [42.5, 0, 52.5, 10], [80, 0, 90, 10], [0, 50, 10, 60]], float)
    also = Detections(shifted, np.array([0.9, 0.45, 0.8, 0.7, 0.9]))
    names = iter([["a", "b", "c"], ["a", "b", "x"]])

    def bot(found: Detections) -> Any:
        namer = SimpleNamespace(name=lambda _p, chosen: [Named(each, 1.0) for each in next(names)])
        return SimpleNamespace(
            spec=EyesSpec(products=["a"]), detector=SimpleNamespace(detect=lambda _: found), namer=namer
        )

    told = agreement(bot(seen), bot(also), [np.zeros((2, 2, 3), np.uint8)])
    # of the sure boxes that the candidate tells (0.9, 0.8, 0.7, 0.9), the last is new; that at 80 the reference half saw
    assert (told.items, told.found, told.extra) == (4, 0.75, 0.25)
    assert told.overlap == pytest.approx((1 + 1 + 7.5 / 12.5) / 3) and told.same_names == pytest.approx(2 / 3)


def test_a_release_whose_crops_were_in_letter_boxes_is_not_opened(tmp_path: Path) -> None:
    spec = EyesSpec(products=("a",), format_version=1)
    old = GRAPHS.write_release(tmp_path, GRAPHS.detector_graph(), b"", np.eye(1, 4, dtype=np.float32), spec)
    with pytest.raises(ArtifactError, match="expected format 2, found 1: retrain"):
        open_bot(old)


def test_a_release_in_8_bits_is_judged_on_pictures_that_it_was_not_calibrated_on(release: Path, tmp_path: Path) -> None:
    detector, embedder = quantise_eyes(release, tmp_path / "artifact", shelves(24))
    assert (detector.file, detector.precision, detector.quantised_nodes) == (DETECTOR, "int8", 3)
    assert (embedder.file, embedder.precision, embedder.quantised_nodes) == (EMBEDDER, "int8", 2)
    assert detector.measured["items"] == 32 and detector.measured["found"] == embedder.measured["same_names"] == 1
    assert 0 < detector.parity[0].worst_absolute < 0.02
    before, after = open_bot(release), open_bot(tmp_path)
    (picture,) = shelves(1)
    names = [[each["product"] for each in bot.ask(picture).reply["items"]] for bot in (before, after)]
    assert names[0] == names[1] and sorted(names[0]) == ["milk", "tea"]


def test_a_score_decides_where_there_is_one(release: Path, tmp_path: Path) -> None:
    told = iter([0.90, 0.885, 0.895, 0.894])  # fp32, the detector whole, its convolutions alone, the embedder beside
    (detector, embedder) = quantise_eyes(release, tmp_path / "a", shelves(12), score=lambda _: next(told))
    assert "convolutions up to the heads" in detector.reason and detector.quantised_nodes == 1
    assert (detector.measured["score_before"], detector.measured["score"], embedder.measured["score"]) == (
        0.9,
        0.895,
        0.894,
    )
    worse = iter([0.90, 0.5, 0.6])
    with pytest.raises(
        ExportError, match=r"detector\.onnx loses too much .* score 0\.5000 after 0\.9000.*precision fp32"
    ):
        quantise_eyes(release, tmp_path / "b", shelves(12), score=lambda _: next(worse))
    with pytest.raises(ExportError, match="0 items found in 6 pictures, 16 are the least"):
        quantise_eyes(release, tmp_path / "c", [np.zeros((64, 64, 3), np.uint8)] * 12)
    assert not (tmp_path / "b").exists()


def test_the_command_asks_for_pictures_and_leaves_them_at_home(release: Path, tmp_path: Path) -> None:
    command("keygen", "--private", tmp_path / "s.pem", "--public", tmp_path / "t.pem")
    signed = ("--key", tmp_path / "s.pem", "--revision", 1, "--precision", "int8")
    refused = command("build", release, tmp_path / "1.bundle", *signed, code=1)
    assert "give --pictures FOLDER" in refused["error"]
    folder = release / "pictures"
    folder.mkdir()
    (folder / "00.png").write_bytes(b"half a picture")
    with pytest.raises(ExportError, match=r"holds 0 pictures that can be read \(1 that cannot\)"):
        read_pictures(folder, 9)
    for number, picture in enumerate(shelves(12)):
        cv2.imwrite(str(folder / f"{number + 1:02d}.png"), picture[..., ::-1])
    assert len(read_pictures(folder, 5)) == 5
    built = command("build", release, tmp_path / "1.bundle", *signed)
    assert [each["precision"] for each in built["onnx"]] == ["int8", "int8"]
    box = ("--home", tmp_path / "box", "--key", tmp_path / "t.pem")
    assert command("update", tmp_path / "1.bundle", *box)["outcome"] == "updated"
    assert not list((tmp_path / "box").rglob("*.png")), "pictures of a shop stay where the bundle was built"
    looked = command("run", *box, "--camera", f"shelf={folder}")
    assert (looked["frames"], looked["broken"], looked["failed"]) == (12, 1, 0)


def test_a_yolo_of_one_class_keeps_its_head() -> None:
    """The graph that Ultralytics makes, untrained: three scales, two branches each, and the distribution's mean stay in fp32."""
    import torch

    from models.detector.finder_ultralytics import quiet_import

    with quiet_import():
        from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(1)
    network = DetectionModel("yolo11n.yaml", nc=1, verbose=False).eval().fuse()
    network.model[-1].export, network.model[-1].format = True, "onnx"
    model = GRAPHS.exported(network, torch.zeros(1, 3, 64, 64))
    given = [{"images": RNG.random((1, 3, 64, 64), dtype=np.float32)} for _ in range(4)]
    made = quantise(model, given[:3], WHOLE)
    graph = onnx.load_model_from_string(made.model).graph
    exact = [
        node for node in graph.node if node.op_type == "Conv" and "DequantizeLinear" not in _maker(graph, node.input[1])
    ]
    assert len(exact) == 3 * 2 + 1 and made.nodes > 200
    wanted, found = (open_session(each).run(None, given[3])[0] for each in (model, made.model))
    assert np.quantile(np.abs(found[0, :4] - wanted[0, :4]), 0.9) < 2, "pixels"
    assert np.abs(found[0, 4] - wanted[0, 4]).max() < 0.05 * wanted[0, 4].max()
    assert len(made.model) < 0.35 * len(model)


def _maker(graph: Any, name: str) -> str:
    return next((node.op_type for node in graph.node if name in node.output), "")
