"""The embedder learns to tell what it is shown apart, the same way each time, and goes on where it was stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.common.protocols import DataError
from models.detector.embedder_config import AugmentConfig, EmbedderConfig, Moment, Stage
from models.detector.embedder_naming import embeddings
from models.detector.embedder_train import Progress, fit_embedder, imprints, rate, rows_of
from models.detector.embedder_weights import EmbedderWeights
from models.detector.networks import Gallery

SIDE = 32
TINY = EmbedderConfig(
    blocks=(1, 1, 1, 1),
    width=16,
    stages=(Stage(side=24, steps=30), Stage(side=SIDE, steps=20)),
    batch=24,
    learning_rate=1e-2,
    averaging=0.8,
    augment=AugmentConfig(erase_share=0, blur_share=0),
)
SHORT = TINY.model_copy(update={"stages": (Stage(side=24, steps=4),), "batch": 8})


def glyphs(each: int, seed: int, kinds: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Crops of letters, each of its own colour, somewhere on a ground of any colour, and which letter each is."""
    import cv2

    rng, made = np.random.default_rng(seed), []
    identity = np.repeat(np.arange(kinds), each)
    for kind in identity.tolist():
        picture = np.empty((SIDE, SIDE, 3), np.uint8)
        picture[:] = rng.integers(60, 200, 3)
        place = (int(rng.integers(2, 9)), int(rng.integers(23, 30)))
        colour = tuple(255 * (kind >> bit & 1) for bit in range(3))
        cv2.putText(picture, "AKOTXESB"[kind], place, cv2.FONT_HERSHEY_DUPLEX, 1.0, colour, 2)
        made.append(picture)
    return np.stack(made), identity


def named(weights: EmbedderWeights, seed: int) -> float:
    """Share of new crops that a gallery of three crops of each letter names rightly."""
    shown, product = glyphs(3, seed)
    asked, truth = glyphs(12, seed + 1)
    gallery = Gallery(embeddings(weights, shown, SIDE), [str(each) for each in product])
    best = gallery.similarities(embeddings(weights, asked, SIDE)).argmax(axis=1)
    return float((best == truth).mean())


def test_training_names_what_an_untrained_net_does_not() -> None:
    crops, identity = glyphs(30, seed=1)
    told: list[str] = []
    weights = fit_embedder(crops, identity, TINY, seed=0, on_progress=lambda stage, _: told.append(stage))
    assert told[-1] == "embedder, step 50 of 50"
    untrained = TINY.model_copy(update={"stages": (Stage(side=SIDE, steps=1),), "learning_rate": 1e-9})
    before, after = named(fit_embedder(crops, identity, untrained, seed=0), seed=5), named(weights, seed=5)
    assert after > max(0.4, before + 0.2), f"{before:.2f} untrained, {after:.2f} trained, chance is 1 / 8"
    lengths = np.linalg.norm(embeddings(weights, crops[:5], SIDE), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_proxies_begin_where_the_crops_of_each_identity_lie() -> None:
    """Each points along the mean of its crops' unit vectors, all of which are taken where there are no more; as long as a random
    one of 16 numbers, 4."""
    crops, identity = glyphs(3, seed=3)
    start = fit_embedder(crops, identity, SHORT, seed=0)
    cfg = TINY.model_copy(update={"imprinted": 5, "half": False})
    proxies = imprints(start, crops[::-1], identity[::-1], cfg, seed=0)
    vectors = embeddings(start, crops, 24, half=False)
    means = np.stack([vectors[identity == kind].mean(axis=0) for kind in range(8)])
    np.testing.assert_allclose(proxies, 4 * means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-4)
    some = imprints(start, crops, identity, cfg.model_copy(update={"imprinted": 1}), seed=0)
    alike = some / 4 @ vectors.T
    assert (identity[alike.argmax(axis=1)] == np.arange(8)).all()
    np.testing.assert_allclose(alike.max(axis=1), 1, atol=1e-4)


def test_a_run_from_weights_forgets_less_with_its_proxies_in_place() -> None:
    """A few steps on other crops: the loss begins lower than with random proxies."""
    crops, identity = glyphs(20, seed=1)
    start = fit_embedder(crops, identity, TINY, seed=0)
    losses: dict[int, list[float]] = {}
    for imprinted in (0, 4):
        cfg = TINY.model_copy(update={"imprinted": imprinted, "stages": (Stage(side=SIDE, steps=2),)})
        told = losses.setdefault(imprinted, [])
        fit_embedder(
            crops, identity, cfg, seed=1, start=start, every=1, on_step=lambda p, told=told: told.append(p.loss)
        )
    assert losses[4][0] < 0.8 * losses[0][0]


def test_a_body_without_a_projection_is_gone_on_from() -> None:
    """Weights of torchvision have none: nothing can be embedded yet, so proxies begin at random."""
    crops, identity = glyphs(4, seed=1)
    whole = fit_embedder(crops, identity, SHORT, seed=0)
    body = replace(whole, arrays={name: each for name, each in whole.arrays.items() if name.startswith("body.")})
    assert body.bare and SHORT.imprinted
    assert not fit_embedder(crops, identity, SHORT, seed=1, start=body).bare


def test_a_seed_gives_the_same_weights_stopped_or_not(tmp_path: Path) -> None:
    crops, identity = glyphs(4, seed=2)
    coarse = np.arange(8)[:, None] // 2

    def train(seed: int, **how: object) -> dict[str, np.ndarray]:
        return fit_embedder(crops, identity, SHORT, seed=seed, coarse=coarse, every=2, **how).arrays  # type: ignore[arg-type]

    def stop(progress: Progress) -> None:
        raise InterruptedError(f"stopped after step {progress.step}")

    whole, other = train(3), train(4)
    kept = tmp_path / "run.checkpoint"
    with pytest.raises(InterruptedError, match="step 2"):
        train(3, checkpoint=kept, on_step=stop)
    resumed = train(3, checkpoint=kept)
    assert all((resumed[name] == array).all() for name, array in whole.items())
    assert any((other[name] != array).any() for name, array in whole.items())
    with pytest.raises(DataError, match="another run"):
        train(5, checkpoint=kept)


def test_fine_tuning_begins_with_the_weights_it_is_given() -> None:
    """At a rate of nearly nothing the kept convolutions are those of the start."""
    crops, identity = glyphs(4, seed=2)
    start = fit_embedder(crops, identity, SHORT, seed=3)
    still = SHORT.model_copy(update={"learning_rate": 1e-12, "stages": (Stage(side=24, steps=1),)})
    after = fit_embedder(crops, identity, still, seed=9, start=start)
    weight = "body.conv1.weight"
    np.testing.assert_allclose(after.arrays[weight], start.arrays[weight], atol=1e-7)
    assert np.abs(start.arrays[weight]).max() > 0.01


@pytest.mark.parametrize(
    ("crops", "identity", "coarse", "told"),
    [
        (np.zeros((4, 8, 8, 3), np.float32), [0, 0, 1, 1], None, "float32"),
        (np.zeros((4, 8, 9, 3), np.uint8), [0, 0, 1, 1], None, "N, S, S, 3"),
        (np.zeros((4, 8, 8, 3), np.uint8), [0, 0, 1], None, "give one for each"),
        (np.zeros((4, 8, 8, 3), np.uint8), [0, 0, 0, 0], None, "at least two identities"),
        (np.zeros((4, 8, 8, 3), np.uint8), [0, 0, 1, 1], np.zeros((3, 1)), r"\(2, K\)"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    crops: np.ndarray, identity: list[int], coarse: np.ndarray | None, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        fit_embedder(crops, np.array(identity), SHORT, seed=0, coarse=coarse)


def test_the_rate_rises_stays_and_falls() -> None:
    """10 steps, of which 2 rise and 4 fall: halves of 2, then level, then 4/4 to 1/4."""
    cfg = EmbedderConfig(stages=(Stage(side=32, steps=10),), warm_up=0.2, cool_down=0.4)
    found = [rate(step, cfg) for step in range(10)]
    np.testing.assert_allclose(found, [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_stages_follow_one_another() -> None:
    """30 steps of 24 crops, then 20 of 8: step 49 comes after 720 + 19 x 8 crops."""
    last = Stage(side=SIDE, steps=20, batch=8, coarse_weight=3, closer_share=0.4)
    cfg, usual = TINY.model_copy(update={"stages": (TINY.stages[0], last)}), TINY.augment
    closer = usual.model_copy(update={"closer_share": 0.4})
    assert cfg.steps == 50
    assert cfg.at(0) == Moment(24, 24, usual, 4.0, 0) and cfg.at(29) == Moment(24, 24, usual, 4.0, 29 * 24)
    assert cfg.at(30) == Moment(SIDE, 8, closer, 3, 720) and cfg.at(49) == Moment(SIDE, 8, closer, 3, 872)
    assert cfg.at(50).seen == 880, "a run that is made longer goes on as it was"
    with pytest.raises(ValueError, match="lower one"):
        EmbedderConfig(warm_up=0.7, cool_down=0.5)
    with pytest.raises(ValueError, match="ResNet50 has"):
        EmbedderConfig(blocks=(3, 4, 0, 3))


def test_every_row_comes_once_before_any_comes_twice() -> None:
    """7 rows in batches of 3 and 4: the first 7 numbers drawn are all the rows, the next 7 too."""
    drawn = np.concatenate([rows_of(7, first, count, seed=1) for first, count in ((0, 3), (3, 3), (6, 4), (10, 4))])
    assert sorted(drawn[:7]) == sorted(drawn[7:]) == list(range(7)) and drawn[:7].tolist() != drawn[7:].tolist()
    assert np.bincount(rows_of(2, 1, 5, seed=1)).sum() == 5, "a batch may be larger than all rows"
