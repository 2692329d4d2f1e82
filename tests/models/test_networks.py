"""Networks: the same bytes for a seed, quantiles in order, ONNX as torch, a planted effect found, hidden targets unread."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.forecaster.networks import Grids, GridsError, Network, NetworkConfig, NetworkKind, fit_network
from models.forecaster.networks.config import KINDS
from models.forecaster.networks.export import export_network
from models.forecaster.networks.member import averaged

TINY = NetworkConfig(hidden=8, heads=2, epochs=3, batch_pairs=16, learning_rate=0.01, critic_hidden=4, dropout=0.1)
STEPS, FEATURES, LIFT = 7, 5, 0.8


def planted(n_pairs: int = 96, seed: int = 0, *, gaps: float = 0.1) -> Grids:
    """Sales of 1 + 0.8 where the flag (feature 0) is set, in units of a scale between 5 and 15; some features missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_pairs, STEPS, FEATURES)).astype(np.float32)
    X[..., 0] = rng.random((n_pairs, STEPS)) < 0.4
    X[..., 1] = np.arange(STEPS)
    scale = np.repeat(rng.uniform(5, 15, (n_pairs, 1)), STEPS, axis=1)
    value = scale * (1 + LIFT * X[..., 0]) * rng.gamma(40.0, 1 / 40.0, (n_pairs, STEPS))
    X[..., 2:][rng.random((n_pairs, STEPS, FEATURES - 2)) < gaps] = np.nan
    value[rng.random(value.shape) < 0.1] = np.nan
    return Grids(X, value, scale)


def fit(kind: NetworkKind, train: Grids, valid: Grids | None = None, **changes: Any) -> Network:
    knobs = {"loss": "poisson", "counts": False, "cfg": TINY, "seed": 3, **changes}
    return fit_network(kind, train, planted(32, 1) if valid is None else valid, **knobs)


def weights(network: Network) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.module.state_dict().items()}


@pytest.fixture(scope="module")
def fitted() -> dict[str, Network]:
    return {kind: fit(kind, planted()) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_answers_as_torch_with_gaps_for_any_number_of_pairs_and_steps(
    fitted: dict[str, Network], kind: str
) -> None:
    import onnx
    import onnxruntime

    network = fitted[kind]
    graph = export_network(network)
    if kind == "lstm":
        assert graph == export_network(fit("lstm", planted()))
    model = onnx.load_model_from_string(graph)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert b".py" not in graph  # what the exporter notes of source files names folders of the machine
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(5)
    for n_pairs, steps in ((1, 1), (1, STEPS), (40, 3), (9, STEPS)):
        X = (10 * rng.normal(size=(n_pairs, steps, FEATURES))).astype(np.float32)
        X[rng.random(X.shape) < 0.3] = np.nan
        X[-1] = np.nan
        got, want = session.run(["Y"], {"X": X})[0], network.predict(X)
        for column, name in enumerate(("mean", "q10", "q50", "q90")):
            np.testing.assert_allclose(got[..., column], want[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_never_cross_and_the_mean_is_positive_however_strange_the_input(
    fitted: dict[str, Network], kind: str
) -> None:
    X = (1e4 * np.random.default_rng(2).normal(size=(50, STEPS, FEATURES))).astype(np.float32)
    X[::3, :, 1:] = np.nan
    found = fitted[kind].predict(X)
    assert (found["q10"] < found["q50"]).all() and (found["q50"] < found["q90"]).all()
    assert (found["mean"] > 0).all() and np.isfinite(found["mean"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_same_data_and_seed_same_bytes_and_the_callers_torch_stays_as_it_was(kind: NetworkKind) -> None:
    import torch

    torch.manual_seed(1)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state())
    first = fit(kind, planted())
    after = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state())
    assert before[:2] == after[:2] and torch.equal(before[2], after[2])
    torch.manual_seed(99)
    assert weights(fit(kind, planted())) == weights(first) != weights(fit(kind, planted(), seed=4))


def test_without_a_say_the_critic_leaves_the_lstm_as_it_is() -> None:
    mute = TINY.model_copy(update={"adversarial_weight": 0.0})
    X = planted(8, 6).X
    plain, gan = fit("lstm", planted(), cfg=mute).predict(X), fit("lstm_gan", planted(), cfg=mute).predict(X)
    np.testing.assert_allclose(gan["mean"], plain["mean"], rtol=1e-5)
    heard = fit("lstm_gan", planted()).predict(X)
    assert not np.allclose(heard["q90"], plain["q90"], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_effect_is_found_and_the_quantiles_cover(kind: NetworkKind) -> None:
    cfg = NetworkConfig(hidden=16, heads=2, epochs=12, batch_pairs=16, learning_rate=0.01, critic_hidden=4)
    network, held = fit(kind, planted(256), cfg=cfg), planted(128, 9)
    found, target = network.predict(held.X), held.value / held.scale
    known = ~np.isnan(target)
    error = np.sqrt(np.mean((found["mean"] - target)[known] ** 2))
    plain = np.sqrt(np.mean((np.nanmean(target) - target)[known] ** 2))
    assert error < 0.7 * plain
    flag = held.X[..., 0] == 1
    assert found["mean"][flag].mean() / found["mean"][~flag].mean() == pytest.approx(1 + LIFT, rel=0.1)
    inside = ((target >= found["q10"]) & (target <= found["q90"]))[known].mean()
    assert 0.65 < inside < 0.92


def test_counts_are_learnt_jittered_and_effects_below_zero_by_squares() -> None:
    rng = np.random.default_rng(3)
    grids = planted(64)
    rare = replace(grids, value=rng.poisson(0.1, grids.value.shape).astype(float), scale=np.ones_like(grids.scale))
    found = fit("lstm", rare, rare, counts=True, cfg=TINY.model_copy(update={"epochs": 10})).predict(rare.X)
    assert found["q10"].mean() == pytest.approx(-0.39, abs=0.1)  # a tenth of a mostly-zero count, spread over +-1/2
    assert found["mean"].mean() == pytest.approx(0.1, abs=0.05)
    signed = replace(grids, value=grids.value - 1.4 * grids.scale)  # -0.4, or 0.4 with the flag
    longer = TINY.model_copy(update={"epochs": 20})
    mean = fit("transformer", signed, signed, loss="squared", non_negative=False, cfg=longer).predict(signed.X)["mean"]
    assert mean[signed.X[..., 0] == 0].mean() < -0.2 and mean[signed.X[..., 0] == 1].mean() > 0.2


def test_what_stands_beside_unusable_targets_does_not_matter() -> None:
    grids, valid = planted(), planted(32, 1)
    hidden = np.isnan(grids.value)
    other = Grids(grids.X, grids.value, np.where(hidden, 7.0, grids.scale))
    assert weights(fit("lstm_gan", grids, valid)) == weights(fit("lstm_gan", other, valid))


def test_early_stopping_keeps_the_best_epoch_and_no_validation_takes_all() -> None:
    worse = planted(32, 1)
    worse = replace(worse, value=5.0 * worse.scale / worse.value)  # what is learnt in training is wrong here
    network = fit("lstm", planted(), worse, cfg=TINY.model_copy(update={"epochs": 12, "patience": 2}))
    assert network.epochs == 1 + int(np.argmin(network.history)) and len(network.history) <= network.epochs + 2
    none = planted(32, 1).take(np.arange(0))
    assert fit("lstm", planted(), none).epochs == TINY.epochs


def test_more_pairs_than_allowed_are_sampled() -> None:
    few = TINY.model_copy(update={"max_pairs": 20})
    assert fit("lstm", planted(), cfg=few).sample.shape[0] == 20


def test_bounds_are_refused_with_the_value_and_the_remedy() -> None:
    good = planted(32)
    with pytest.raises(GridsError, match=r"X: shape \(32, 7\)"):
        Grids(good.X[..., 0], good.value, good.scale)
    with pytest.raises(GridsError, match=r"type float64"):
        Grids(good.X.astype(np.float64), good.value, good.scale)  # type: ignore[arg-type]
    with pytest.raises(GridsError, match=r"value: shape \(32, 6\): expected \(32, 7\)"):
        Grids(good.X, good.value[:, 1:], good.scale)
    with pytest.raises(GridsError, match=r"224 of 224 are missing or <= 0"):
        Grids(good.X, good.value, 0 * good.scale)
    with pytest.raises(GridsError, match=r"1 values are infinite"):
        Grids(np.where(np.arange(good.X.size).reshape(good.X.shape) == 0, np.inf, good.X), good.value, good.scale)
    with pytest.raises(GridsError, match=r"0 usable training targets: at least 30"):
        fit("lstm", replace(good, value=np.full_like(good.value, np.nan)))
    with pytest.raises(GridsError, match=r"lowest is -1 .*'squared', False"):
        fit("lstm", replace(good, value=np.full_like(good.value, -1.0)))
    with pytest.raises(GridsError, match=r"training \(7, 5\), validation \(7, 4\)"):
        fit("lstm", good, Grids(good.X[..., 1:], good.value, good.scale))
    with pytest.raises(GridsError, match=r"threads 0"):
        fit("lstm", good, threads=0)
    with (
        np.errstate(over="ignore"),
        pytest.raises(GridsError, match=r"none is a number: choose a learning_rate below 0\.01"),
    ):
        fit("lstm", good, replace(good, scale=np.full_like(good.scale, 1e-300)))
    with pytest.raises(GridsError, match=r"kind 'gru': expected one of lstm, lstm_gan, transformer"):
        fit("gru", good)  # type: ignore[arg-type]
    with pytest.raises(GridsError, match=r"expected \(N, H, 5\) with 1 <= H <= 7"):
        fit("lstm", good).predict(np.zeros((2, 8, 5), dtype=np.float32))
    with pytest.raises(ValidationError, match="hidden 10 is not a multiple of heads 4"):
        NetworkConfig(hidden=10)
    with pytest.raises(ValidationError, match="Extra inputs"):
        NetworkConfig(layers=3)  # type: ignore[call-arg]


def test_importing_the_package_imports_no_torch() -> None:
    code = (
        "import sys, models.forecaster.networks, models.forecaster.networks.candidate, models.forecaster.networks.worth; "
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'onnxscript') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['onnxruntime']")


def test_going_on_starts_from_what_was_learnt_and_leaves_it_as_it_was(fitted: dict[str, Network]) -> None:
    first, before = fitted["lstm"], weights(fitted["lstm"])
    X = planted(8, 5).X
    still = TINY.model_copy(update={"epochs": 1, "learning_rate": 1e-7})
    other = planted(96, 9)
    np.testing.assert_allclose(
        fit("lstm", other, cfg=still, begin=first, seed=8).predict(X)["mean"], first.predict(X)["mean"], rtol=1e-4
    )
    moved = fit("lstm", other, cfg=TINY.going_on(), begin=first, seed=8)
    assert not np.allclose(moved.predict(X)["mean"], first.predict(X)["mean"], rtol=1e-4)
    assert weights(first) == before and TINY.going_on().epochs == 2


def test_an_ensemble_says_the_average_of_its_networks_and_so_does_its_graph(fitted: dict[str, Network]) -> None:
    import onnxruntime

    pair = [fitted["lstm"], fit("lstm", planted(seed=4), seed=4)]
    X = planted(8, 5).X
    both = averaged(pair)
    assert averaged(pair[:1]) is pair[0]
    session = onnxruntime.InferenceSession(export_network(both), providers=["CPUExecutionProvider"])
    graph = np.asarray(session.run(["Y"], {"X": X})[0])
    for column, output in enumerate(("mean", "q10", "q50", "q90")):
        wanted = (pair[0].predict(X)[output] + pair[1].predict(X)[output]) / 2
        np.testing.assert_allclose(both.predict(X)[output], wanted, rtol=1e-5)
        np.testing.assert_allclose(graph[:, :, column], wanted, rtol=1e-4)
