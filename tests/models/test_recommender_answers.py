"""What a recommender answers: to strangers, about items it knows and does not, and why."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import InputError
from models.recommender.config import Config
from models.recommender.data import Dataset, _categories, prepare
from models.recommender.evaluate import evaluate
from models.recommender.predict import Predictor, RecommendInput
from models.recommender.train import Trained, train


@pytest.fixture(scope="module")
def made(model_cases: dict[str, ModuleType], synthetic: ModuleType) -> tuple[Dataset, Trained]:
    case = model_cases["recommender"]
    cfg = Config(**{**case.CONFIG, "epochs": 6, "steps_min": 60, "category_attribute": "kind"})
    data = prepare(case.tables(synthetic, cfg), cfg)
    return data, train(data, cfg, seed=1)


@pytest.fixture(scope="module")
def predictor(made: tuple[Dataset, Trained]) -> Predictor:
    return made[1].predictor()


def asked(predictor: Predictor, *history: str, **more: Any) -> list[str]:
    found: list[str] = predictor.predict(RecommendInput([list(history)], **more)).items[0].tolist()
    return found


def test_the_next_item_of_the_walk_comes_first(predictor: Predictor) -> None:
    """Four of five steps of the customers lead on to the next item of the kind."""
    first = [asked(predictor, f"k{kind}-3", f"k{kind}-4", k=1)[0] for kind in range(6)]
    assert sum(item == f"k{kind}-5" for kind, item in enumerate(first)) >= 5


def test_strangers_get_what_most_customers_took(made: tuple[Dataset, Trained], predictor: Predictor) -> None:
    data, _ = made
    count = np.bincount(data.known.items, minlength=len(data.items))
    reply = predictor.predict(RecommendInput([[], ["no such item"]], k=5))
    assert reply.known.tolist() == [0, 0]
    for items in reply.items:
        taken = count[[data.items.tolist().index(name) for name in items]]
        assert taken.tolist() == sorted(count.tolist(), reverse=True)[:5]


def test_taken_items_are_left_out_unless_asked_for(predictor: Predictor) -> None:
    history = ["k0-1", "k0-2", "k1-7"]
    assert not set(asked(predictor, *history, k=57)) & set(history)
    everything = asked(predictor, *history, k=60, with_taken=True)
    assert set(history) < set(everything) and len(set(everything)) == 60
    assert asked(predictor, *history, k=60)[57:] == ["", "", ""]
    reply = predictor.predict(RecommendInput([history], k=60))
    assert np.isnan(reply.scores[0, 57:]).all() and (np.diff(reply.scores[0, :57]) <= 0).all()


def test_a_shortlist_is_the_top_of_the_scores_and_keeps_to_what_is_allowed(
    made: tuple[Dataset, Trained], predictor: Predictor
) -> None:
    theirs, n_items = made[0].known.take(np.arange(50)), len(made[0].items)
    rng = np.random.default_rng(5)
    for allowed in (None, rng.random(n_items) < 0.5, np.arange(n_items) == theirs.items[0]):
        scores = predictor.scores(theirs, allowed=allowed)
        items, values = predictor.shortlist(theirs, 10, allowed=allowed)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        for row, (found, value) in enumerate(zip(items, values, strict=True)):
            kept = found[found >= 0]
            assert kept.tolist() == order[row, : kept.size].tolist()
            np.testing.assert_array_equal(value[found >= 0], scores[row, kept])
            assert np.isneginf(scores[row, order[row, kept.size :]]).all() and np.isnan(value[found < 0]).all()
            assert allowed is None or allowed[kept].all()
            assert not set(kept) & set(theirs.items[theirs.starts[row] : theirs.starts[row + 1]])
    assert (predictor.shortlist(theirs, 10, allowed=allowed)[0][0] == -1).all(), "all that is allowed was taken"


def test_the_artifact_knows_the_category_of_each_item(made: tuple[Dataset, Trained], predictor: Predictor) -> None:
    data, _ = made
    assert data.categories.tolist() == [item[:2] for item in data.items]
    table = pa.table({"item_id": ["k0-0", "k0-0"], "attribute": ["kind", "brand"], "value": ["zz", "aa"]})
    assert _categories(table, np.asarray(["k0-0", "k0-1"]), "kind").tolist() == ["zz", ""]
    assert predictor.spec.categories == tuple(data.categories)


def test_unknown_and_repeated_items_change_nothing(predictor: Predictor) -> None:
    plain = asked(predictor, "k2-1", "k2-2")
    assert asked(predictor, "k2-1", "new", "k2-2", "k2-1") == plain
    reply = predictor.predict(RecommendInput([["k2-1", "new", "k2-2"]]))
    assert reply.known.tolist() == [2]


def test_an_answer_does_not_depend_on_who_else_is_asked_about(predictor: Predictor) -> None:
    one, other = ["k0-1", "k0-2"], ["k3-1", "k4-2", "k3-2", "k5-5"]
    together = predictor.predict(RecommendInput([one, [], other]))
    assert together.items[0].tolist() == asked(predictor, *one)
    assert together.items[2].tolist() == asked(predictor, *other)


def test_reasons_name_what_speaks_for_an_item(predictor: Predictor) -> None:
    reasons = predictor.reasons(["k5-9", "k0-3"], "k0-4")
    assert reasons[0].item == "k0-3" and reasons[0].share > 0.7
    assert sum(reason.share for reason in reasons) == pytest.approx(1.0)
    assert predictor.reasons([], "k0-4") == []
    with pytest.raises(InputError, match="'nothing' is not known"):
        predictor.reasons(["k0-3"], "nothing")


def test_the_champion_is_above_each_baseline_and_parts_are_reported(made: tuple[Dataset, Trained]) -> None:
    data, trained = made
    report = evaluate(trained.predictor(), data, trials=2, seed=3)
    assert {"without ranker", "linear alone", "sequence alone"} <= set(report.models())
    for peer in ("popularity", "item-kNN (implicit)", "ALS (implicit)", "BPR (implicit)"):
        assert report.value("champion", "ndcg@10") > report.value(peer, "ndcg@10"), peer
    assert {"history: under 5", "item: all others"} <= set(report.segments())
    everybody = report.value("champion", "hr@10")
    parts = [report.value("champion", "hr@10", name) for name in report.segments() if name.startswith("history")]
    assert min(parts) <= everybody <= max(parts)


def test_training_reads_no_test_item(made: tuple[Dataset, Trained]) -> None:
    """Every customer's last item is replaced by another: the same bytes come out."""
    data, trained = made
    moved = data.histories.items.copy()
    ends = data.histories.starts[data.judged + 1] - 1
    moved[ends] = (moved[ends] + 7) % len(data.items)
    other = replace(data, histories=replace(data.histories, items=moved))
    again = train(other, trained.config, seed=1)
    assert again.files == trained.files and again.spec == trained.spec
