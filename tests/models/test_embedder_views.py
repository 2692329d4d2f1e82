"""What training and gallery do to crops, by values worked by hand."""

import numpy as np
import pytest

from models.detector.boxes import crop
from models.detector.embedder_augment import augmented, resized
from models.detector.embedder_config import AugmentConfig
from models.detector.views import jittered, view

STILL = AugmentConfig(
    degrees=0, zoom=0, stretch=0, shift=0, brightness=0, tint=0, contrast=0, blur_share=0, noise=0, erase_share=0
)


def test_a_photo_is_averaged_before_it_is_cut_small() -> None:
    """Stripes of 8 pixels are grey from so far that each is half a pixel; a crop of the photo itself shows them."""
    photo = np.zeros((320, 320, 3), np.uint8)
    photo.reshape(320, 20, 16, 3)[:, :, :8] = 250
    box = np.array([0.0, 0, 320, 320])
    seen = view(photo, box, 40, margin=0, long_side_px=20)
    assert np.abs(seen.astype(int) - 125).max() <= 1
    assert np.ptp(crop(photo, box, 40, margin=0)) >= 240
    np.testing.assert_array_equal(view(photo, box, 40, margin=0), crop(photo, box, 40, margin=0))
    small = np.array([10.0, 10, 40, 40])  # not larger than shop pictures have it: as it is
    np.testing.assert_array_equal(view(photo, small, 40, long_side_px=40), crop(photo, small, 40))
    with pytest.raises(ValueError, match="no size"):
        view(photo, np.array([5.0, 5, 5, 5]), 40)


def test_boxes_shrink_with_their_photo() -> None:
    """A white item of 160 x 80 at (80, 40), black in its lower half, fills the square in whatever size it was seen."""
    photo = np.full((240, 320, 3), 90, np.uint8)
    photo[40:80, 80:240], photo[80:120, 80:240] = 255, 0
    seen = view(photo, np.array([80.0, 40, 240, 120]), 32, margin=0, long_side_px=16)
    assert (seen[:14] >= 250).all() and (seen[18:] <= 5).all()


def test_jitter_is_of_the_size_asked_and_keeps_boxes_the_right_way_round() -> None:
    """Normal errors of 3 % of 100 pixels and 1 pixel: deviation 4."""
    boxes = np.tile([50.0, 50, 150, 150], (4_000, 1))
    off = jittered(boxes, np.random.default_rng(0)) - boxes
    np.testing.assert_allclose(off.std(axis=0), 4.0, rtol=0.05)
    tiny = jittered(np.tile([5.0, 5, 6, 6], (500, 1)), np.random.default_rng(1), pixels=9)
    assert (tiny[:, 2:] >= tiny[:, :2] + 2).all()


def test_still_augmentation_changes_nothing_but_the_side() -> None:
    crops = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3)).astype(np.uint8)
    np.testing.assert_array_equal(augmented(crops, 48, STILL, np.random.default_rng(1)), crops)
    halved = augmented(crops, 24, STILL, np.random.default_rng(1))
    mean = crops.reshape(3, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - mean).max() <= 1
    assert resized(crops, 96).shape == (3, 96, 96, 3)


def test_words_are_never_mirrored() -> None:
    """A picture white on its left stays lighter there than on its right, whatever else is done to it."""
    half = np.full((200, 32, 32, 3), 60, np.uint8)
    half[:, :, :12] = 190
    seen = augmented(half, 32, AugmentConfig(erase_share=0), np.random.default_rng(0)).astype(float)
    assert (seen[:, :, :8].mean(axis=(1, 2, 3)) > seen[:, :, -8:].mean(axis=(1, 2, 3)) + 20).all()
    assert seen.std(axis=0).mean() > 10, "every picture is another"
    mirrored = augmented(half[:1], 32, STILL.model_copy(update={"mirror_share": 1}), np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored, half[:1, :, ::-1])


def test_a_part_seen_closer_is_a_square_of_the_crop() -> None:
    """Columns numbered 0 to 63: a part seen at most twice as close spans at least 32 of them, and begins anywhere."""
    columns = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None], (64, 64, 3))
    cfg = STILL.model_copy(update={"closer_share": 1, "closer": 2})
    seen = augmented(np.stack([columns] * 200), 64, cfg, np.random.default_rng(0))[:, 0, :, 0].astype(int)
    spans = seen[:, -1] - seen[:, 0]
    assert spans.min() >= 30 and spans.max() > 55 and seen[:, 0].max() > 20


def test_light_and_erasing_do_what_they_say() -> None:
    """Log brightness of deviation 0.2 about a grey of 80; a rectangle hides at most a fifth."""
    grey = np.full((400, 16, 16, 3), 80, np.uint8)
    lit = augmented(grey, 16, STILL.model_copy(update={"brightness": 0.2}), np.random.default_rng(0))
    assert lit.reshape(400, -1).std(axis=1).max() == 0, "the same light on the whole crop"
    assert np.log((lit[:, 0, 0, 0] + 0.5) / 80).std() == pytest.approx(0.2, rel=0.1)
    hidden = augmented(
        grey, 16, STILL.model_copy(update={"erase_share": 1, "erase_area": 0.2}), np.random.default_rng(0)
    )
    share = (hidden != 80).any(axis=3).mean(axis=(1, 2))
    assert 0.15 < share.max() <= 0.27 and 0.05 < share.mean() < 0.15  # sides are rounded to whole pixels


def test_the_margin_loss_by_hand() -> None:
    """Cosines 0.8 and 0.5, scale 10, margin 0.1: logits 7 and 5, so log(1 + exp(-2)); half smoothed: + (2 / 2) * 0.5."""
    import torch

    from models.detector.embedder_model import margin_loss

    cosines, target = torch.tensor([[0.8, 0.5]]), torch.tensor([0])
    plain = float(margin_loss(cosines, target, scale=10, margin=0.1, smoothing=0))
    assert plain == pytest.approx(np.log1p(np.exp(-2)), abs=1e-5)
    smooth = float(margin_loss(cosines, target, scale=10, margin=0.1, smoothing=0.5))
    assert smooth == pytest.approx(np.log1p(np.exp(-2)) + 0.25 * 2, abs=1e-5)


def test_unknown_coarse_labels_teach_nothing() -> None:
    import torch

    from models.detector.embedder_model import FEATURES, Heads, coarse_loss

    heads, features = Heads(2, 8, (3, 2)), torch.rand(2, FEATURES, requires_grad=True)
    nothing = coarse_loss(heads, features, torch.full((2, 2), -1), smoothing=0.1)
    assert float(nothing.detach()) == 0
    half = coarse_loss(heads, features, torch.tensor([[1, -1], [-1, -1]]), smoothing=0.0)
    expected = torch.nn.functional.cross_entropy(heads.coarse[0](features[:1]), torch.tensor([1]))
    assert float(half.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)


def test_moments_tell_where_something_is() -> None:
    """Of 2 x 4 pixels all on the right edge, at 3/4 of the way: a mean of 1/4, leaning 3/16 to the right and nowhere else."""
    import torch

    from models.detector.embedder_model import Moments

    maps = torch.zeros(1, 2, 2, 4)
    maps[0, 0, :, 3] = 1
    maps[0, 1, 1, :] = 2
    found = Moments()(maps)
    assert found.shape == (1, 6, 1, 1)
    assert found.flatten().tolist() == pytest.approx([0.25, 1.0, 3 / 16, 0.0, 0.0, 0.5])
    assert Moments()(torch.ones(1, 1, 1, 1)).flatten().tolist() == [1, 0, 0]
