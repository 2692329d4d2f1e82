"""Letter-box, overlap and suppression by values worked by hand."""

import numpy as np
import pytest

from models.detector.boxes import crop, decode, inside, letterbox, overlaps, suppress, to_tensor


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def test_a_wide_picture_lies_in_the_middle_of_its_square() -> None:
    """200 x 100 in a square of 64: scale 0.32, so 64 x 32, with 16 rows above and below."""
    image = np.full((100, 200, 3), 250, np.uint8)
    square, fit = letterbox(image, 64)
    assert (fit.scale, fit.left, fit.top, fit.width, fit.height) == (0.32, 0, 16, 200, 100)
    assert square.shape == (64, 64, 3)
    assert (square[:16] == 114).all() and (square[16:48] == 250).all() and (square[48:] == 114).all()
    tall, fit = letterbox(image.transpose(1, 0, 2), 64)
    assert (fit.left, fit.top) == (16, 0) and (tall[:, :16] == 114).all() and (tall[:, 16:48] == 250).all()
    same, fit = letterbox(np.zeros((64, 64, 3), np.uint8), 64)
    assert fit.scale == 1 and not same.any()


def test_an_odd_rest_goes_below_and_right_as_in_ultralytics() -> None:
    """30 x 61 in 64: scale 64 / 61, 31 rows (31.48), 33 left over: 16 above, 17 below."""
    _, fit = letterbox(np.zeros((30, 61, 3), np.uint8), 64)
    assert (fit.left, fit.top) == (0, 16)


def test_a_tensor_holds_channels_first_from_0_to_1() -> None:
    square = np.zeros((2, 2, 3), np.uint8)
    square[0, 1] = (255, 51, 0)
    tensor = to_tensor([square, square])
    assert tensor.shape == (2, 3, 2, 2) and tensor.dtype == np.float32
    np.testing.assert_allclose(tensor[1, :, 0, 1], [1.0, 0.2, 0.0])
    scaled = to_tensor([square], mean=(0.5, 0.2, 0.0), std=(0.5, 0.1, 2.0))
    np.testing.assert_allclose(scaled[0, :, 0, 1], [1.0, 0.0, 0.0], atol=1e-6)


def test_overlap_of_boxes_by_hand() -> None:
    """Two of 4 x 4 that share 2 x 4: 8 / (16 + 16 - 8)."""
    found = overlaps(boxes((0, 0, 4, 4)), boxes((2, 0, 6, 4), (0, 0, 4, 4), (4, 0, 8, 4), (1, 1, 1, 3)))
    np.testing.assert_allclose(found, [[1 / 3, 1.0, 0.0, 0.0]])
    assert overlaps(boxes(), boxes((0, 0, 1, 1))).shape == (0, 1)
    np.testing.assert_allclose(overlaps(boxes((0, 0, 4, 2)), boxes((0, 0, 8, 8))), [[8 / 64]])


def test_the_share_that_lies_in_another_box_by_hand() -> None:
    found = inside(boxes((0, 0, 4, 2), (1, 1, 1, 3)), boxes((2, 0, 6, 2), (0, 0, 8, 8), (5, 5, 6, 6)))
    np.testing.assert_allclose(found, [[0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])


def test_suppression_keeps_the_best_of_each_heap() -> None:
    heap = boxes((0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10), (0, 0, 10, 9), (5, 5, 5, 9))
    scores = np.array([0.8, 0.9, 0.5, 0.7, 0.99])
    # 1 beats 0 (90 / 110) and 3 (81 / 109 = 0.743); 4 has no area
    assert suppress(heap, scores, iou=0.7, limit=9).tolist() == [1, 2]
    assert suppress(heap, scores, iou=0.75, limit=9).tolist() == [1, 3, 2]
    assert suppress(heap, scores, iou=0.9, limit=2).tolist() == [1, 0]


def test_a_graphs_output_becomes_boxes_of_the_picture() -> None:
    """A picture of 200 x 100 in a square of 64: x / 0.32, (y - 16) / 0.32."""
    _, fit = letterbox(np.zeros((100, 200, 3), np.uint8), 64)
    output = np.array(
        [[32, 32, 16, 8], [33, 32, 16, 8], [64, 32, 32, 64], [np.nan, 1, 1, 1], [10, 10, 4, 4]], dtype=np.float32
    ).T
    output = np.concatenate([output, [[0.9, 0.8, 0.6, 0.9, 0.2]]])
    found = decode(output, fit, least_score=0.25, iou=0.7, limit=300)
    np.testing.assert_allclose(found.boxes, [[75, 37.5, 125, 62.5], [150, 0, 200, 100]])
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    assert decode(np.zeros((5, 0)), fit, least_score=0.25, iou=0.7, limit=300).boxes.shape == (0, 4)
    with pytest.raises(ValueError, match=r"shape \(84, 10\)"):
        decode(np.zeros((84, 10)), fit, least_score=0.25, iou=0.7, limit=300)


def test_a_crop_shows_the_box_and_stays_within_the_picture() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[10:20, 10:20] = 200
    assert (crop(image, boxes((10, 10, 20, 20))[0], 10, margin=0) == 200).all()
    wider = crop(image, boxes((10, 10, 20, 20))[0], 20, margin=0.5)
    assert (wider[5:15, 5:15] == 200).all() and not wider[:4].any()
    tall = np.zeros((40, 40, 3), np.uint8)
    tall[4:36, 10:14], tall[20:36, 10:14] = 250, 100
    stretched = crop(tall, boxes((10, 4, 14, 36))[0], 8, margin=0)
    assert (stretched[:4] == 250).all() and (stretched[4:] == 100).all(), "no side is filled up with grey"
    for edge in ((-5, -5, 3, 3), (38, 38, 60, 60), (40, 40, 40, 40), (12, 12, 12, 12)):
        assert crop(image, boxes(edge)[0], 8).shape == (8, 8, 3)
