"""What `test_same_shape.py` needs to know of product recognition, see `forecaster_case.py`. Networks are small graphs made by hand:
the finder scores squares of PATCH pixels by how bright they are, the embedder shrinks a crop to 4 x 4."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from onnx import TensorProto, checker, helper, numpy_helper
from PIL import Image

SIDE, PATCH, STRIDE, CROP = 96, 16, 8, 16
BASELINE = "colour histogram"
PEERS = ("shrunken pixels",)
PRODUCTS = ("milk", "rice", "salt", "tea")


def finder_graph(side: int = SIDE, *, seen: float = 2.0) -> bytes:
    """(1, 3, S, S) -> (1, 5, N): a box of PATCH pixels every STRIDE, scored by the mean of its brightest channel, 0.5 as 0; `seen`
    0 scores all of them 0."""
    count = (side - PATCH) // STRIDE + 1
    middle = (np.arange(count) * STRIDE + PATCH / 2).astype(np.float32)
    y, x = np.meshgrid(middle, middle, indexing="ij")
    boxes = np.stack([x.ravel(), y.ravel(), *np.full((2, x.size), PATCH)])[None].astype(np.float32)
    constants = {"boxes": boxes, "shape": np.array([1, 1, -1]), "half": np.float32([0.5]), "two": np.float32([seen])}
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("AveragePool", ["bright"], ["mean"], kernel_shape=[PATCH, PATCH], strides=[STRIDE, STRIDE]),
        helper.make_node("Reshape", ["mean", "shape"], ["row"]),
        helper.make_node("Sub", ["row", "half"], ["above"]),
        helper.make_node("Mul", ["above", "two"], ["score"]),
        helper.make_node("Concat", ["boxes", "score"], ["out"], axis=1),
    ]
    return _graph(nodes, constants, [1, 3, side, side], [1, 5, count**2])


def embedder_graph() -> bytes:
    """(B, 3, S, S) -> (B, 48): means of 4 x 4 parts."""
    nodes = [
        helper.make_node("AveragePool", ["images"], ["mean"], kernel_shape=[CROP // 4] * 2, strides=[CROP // 4] * 2),
        helper.make_node("Flatten", ["mean"], ["out"], axis=1),
    ]
    return _graph(nodes, {}, ["B", 3, CROP, CROP], ["B", 48])


def _graph(nodes: list[Any], constants: dict[str, np.ndarray], shape: list[Any], out: list[Any]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="detector_case_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "finder.onnx").write_bytes(finder_graph())
    (folder / "embedder.onnx").write_bytes(embedder_graph())
    return folder


FOLDER = _folder()
CONFIG: dict[str, Any] = {
    "detector": {"side": SIDE, "least_score": 0.55, "iou": 0.2},
    "namer": {"side": CROP, "margin": 0.0},
    "finder_start": FOLDER / "finder.onnx",
    "embedder_start": FOLDER / "embedder.onnx",
}


def package(product: int) -> np.ndarray:
    """(PATCH, PATCH, 3): all four products have the same colours, half and half, in other places."""
    face = np.full((PATCH, PATCH, 3), (250, 90, 20), np.uint8)
    half = PATCH // 2
    part = np.s_[:half, :], np.s_[half:, :], np.s_[:, :half], np.s_[:, half:]
    face[part[product]] = (20, 90, 250)
    return face


def scene(rng: np.random.Generator, count: int = 4) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """A dark picture (SIDE, SIDE, 3) with packages at multiples of STRIDE, none touching; left, top and product of each."""
    picture = rng.integers(0, 40, (SIDE, SIDE, 3)).astype(np.uint8)
    cells = rng.permutation(9)[:count]
    placed = []
    for cell in cells:
        left, top = (int(cell) % 3) * 32 + int(rng.integers(2)) * 8, (int(cell) // 3) * 32 + int(rng.integers(2)) * 8
        product = int(rng.integers(len(PRODUCTS)))
        face = np.clip(package(product).astype(int) + rng.integers(-8, 6, (PATCH, PATCH, 3)), 0, 255)
        picture[top : top + PATCH, left : left + PATCH] = face
        placed.append((left, top, product))
    return picture, placed


def photo(product: int) -> np.ndarray:
    """A picture of one product alone, twice as large as on the shelf."""
    picture = np.full((48, 48, 3), 30, np.uint8)
    picture[8:40, 8:40] = np.kron(package(product), np.ones((2, 2, 1), np.uint8))
    return picture


def file(pixels: np.ndarray) -> bytes:
    """PNG bytes."""
    import io

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def made(scenes: int = 40, *, seed: int = 0) -> dict[str, pa.Table]:
    """An image set: a photo of each product, then scenes, a minute apart; one item of the first scene is a crowd."""
    rng = np.random.default_rng(seed)
    pictures = [photo(product) for product in range(len(PRODUCTS))]
    labels: list[dict[str, Any]] = [
        {"image_id": f"P{product}", "label": name, "edges": (None,) * 4} for product, name in enumerate(PRODUCTS)
    ]
    ids = [f"P{product}" for product in range(len(PRODUCTS))]
    for number in range(scenes):
        picture, placed = scene(rng)
        pictures.append(picture)
        ids.append(f"S{number:03d}")
        for left, top, product in placed:
            edges = (float(left), float(top), float(left + PATCH), float(top + PATCH))
            labels.append({"image_id": ids[-1], "label": PRODUCTS[product], "edges": edges})
    edges = pa.array([each["edges"] for each in labels], pa.list_(pa.float64()))
    columns = {
        name: [each[k] for each in edges.to_pylist()]
        for k, name in enumerate(("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    }
    start = datetime(2026, 3, 1, 9)
    return {
        "label_classes": pa.table(
            {
                "label": PRODUCTS,
                "position": range(len(PRODUCTS)),
                "product_id": pa.array([None] * 3 + ["T1"], pa.string()),
            }
        ),
        "images": pa.table(
            {
                "image_id": ids,
                "picture": pa.array([file(each) for each in pictures], pa.binary()),
                "split": pa.array([None] * len(ids), pa.string()),
                "taken_at": [start + timedelta(minutes=number) for number in range(len(ids))],
            }
        ),
        "image_labels": pa.table(
            {
                "label_id": [f"L{number:04d}" for number in range(len(labels))],
                "image_id": [each["image_id"] for each in labels],
                "label": [each["label"] for each in labels],
                **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
                "is_crowd": [number == len(PRODUCTS) for number in range(len(labels))],
            }
        ),
    }


def tables(synthetic: ModuleType, cfg: Any) -> dict[str, Any]:
    del synthetic, cfg
    return made()


def request(trained: Any, data: Any) -> Any:
    from models.detector.predict import DetectorInput

    del trained
    return DetectorInput([data.pixels(row) for row in (-3, -2, -1)])


def outputs(reply: Any) -> dict[str, np.ndarray]:
    rows = [item for picture in reply.items for item in picture]
    return {
        "box": np.array([item.box for item in rows]),
        "score": np.array([item.score for item in rows]),
        "confidence": np.array([item.confidence for item in rows]),
        "name": np.array([len(item.product or "") for item in rows], dtype=float),
        "count": np.array([len(picture) for picture in reply.items], dtype=float),
    }


def hostile(sound: Any) -> Iterator[tuple[str, Any]]:
    from models.detector.predict import DetectorInput

    picture = sound.pictures[0]
    yield r"pictures: expected a sequence of 1 to 64 pictures, found ndarray", DetectorInput(picture)
    yield r"pictures: .* found 0 of them", DetectorInput([])
    yield r"pictures: .* found 65 of them: ask in parts", DetectorInput([picture] * 65)
    yield r"pictures\.1: expected an array of uint8, found float64", DetectorInput([picture, picture / 255])
    yield r"pictures\.0: expected an array of uint8, found bytes", DetectorInput([b"\xff\xd8"])
    yield r"pictures\.0: shape \(96, 96\)", DetectorInput([picture[..., 0]])
    yield r"pictures\.0: shape \(96, 96, 1\)", DetectorInput([picture[..., :1]])
    yield r"pictures\.0: shape \(8, 96, 3\), .* 16 to 16384", DetectorInput([picture[:8]])
