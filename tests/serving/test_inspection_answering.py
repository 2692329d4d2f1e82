"""Who inspects, and what comes of it: the champion of a real release, and a human whenever it must not or cannot."""

import asyncio
import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inspection_releases import hostile, package, tables
from release_factory import FIRST, Releases

from models.inspection.data import READINGS
from models.inspection.pictures import read_square
from models.inspection.predict import InspectionInput, load
from models.inspection.samples import SamplesError, read_samples
from serving.inspection_answering import Answerer
from serving.inspection_champion import Champion, degrade, open_champion
from serving.inspection_schemas import (
    BatchesRequest,
    InspectFormRequest,
    InspectionCard,
    InspectReply,
    InspectRequest,
)
from serving.metrics import ServiceMetrics
from serving.release import Pointer, ReleaseError, read_pointer
from serving.replies import Refusal
from serving.settings import ServeSettings

SETTINGS = ServeSettings(deadline_ms=10_000, reasons_deadline_ms=60_000)


@pytest.fixture(scope="module")
def releases(made_inspectors: Releases) -> Releases:
    return made_inspectors


@pytest.fixture
def champion(releases: Releases) -> Champion:
    return open_champion(releases.bot / FIRST, pointer(releases), SETTINGS)


def pointer(releases: Releases) -> Pointer:
    return read_pointer(releases.bot / "champion.json")


def ask(
    champion: Champion, *packages: dict[str, Any], settings: ServeSettings = SETTINGS, **more: object
) -> dict[str, Any]:
    answerer = Answerer(lambda: champion, settings, ServiceMetrics("inspection"))
    request = InspectRequest.model_validate({"packages": packages, **more})
    try:
        return InspectReply.model_validate_json(asyncio.run(answerer.inspect(request))).model_dump()
    finally:
        answerer.close()


def test_the_champion_decides_what_the_predictor_says(champion: Champion, releases: Releases) -> None:
    rows = (230, 3, 231, 120)
    reply = ask(champion, *(package(row) for row in rows))
    told, samples = tables()["inspections"], tables()["approved_samples"]
    chosen = [told.slice(row, 1).to_pylist()[0] for row in rows]
    batch = [int(each["batch_id"][1:]) for each in chosen]
    expected = load(releases.bot / FIRST / "artifact").predict(
        InspectionInput(
            np.stack([read_square(each["picture"]) for each in chosen]),
            np.stack([read_square(each) for each in samples["picture"].to_pylist()]),
            np.array(batch),
            [[each[name] for name in READINGS] for each in chosen],
            np.stack([samples[name].to_numpy() for name in READINGS], axis=1),
        )
    )
    assert reply["served_by"] == f"champion {champion.artifact_id}" and reply["notes"] == []
    assert [each["decision"] for each in reply["packages"]] == expected.decision.tolist()
    np.testing.assert_allclose([each["probability"] for each in reply["packages"]], expected.probability, rtol=1e-5)
    assert [each["package_id"] for each in reply["packages"]] == [each["package_id"] for each in chosen]
    assert reply["miss_level"] == 0.1
    for each in reply["packages"]:
        assert sum(each["kinds"].values()) == pytest.approx(1)


def test_a_sample_sent_along_counts_as_the_known_one(champion: Champion) -> None:
    sample = tables()["approved_samples"].slice(5, 1).to_pylist()[0]
    sent = {**{name: sample[name] for name in READINGS}, "picture": b64encode(sample["picture"]).decode()}
    known = ask(champion, package(230))["packages"][0]
    along = ask(champion, package(230, batch_id=None, approved=sent))["packages"][0]
    assert along == known
    other = tables()["approved_samples"].slice(0, 1).to_pylist()[0]["picture"]
    strange = {**sent, "picture": b64encode(other).decode()}
    assert ask(champion, package(230, batch_id=None, approved=strange))["packages"][0] != known


def ask_form(champion: Champion, **fields: object) -> dict[str, Any]:
    answerer = Answerer(lambda: champion, SETTINGS, ServiceMetrics("inspection"))
    request = InspectFormRequest.model_validate(fields)
    try:
        return InspectReply.model_validate_json(asyncio.run(answerer.inspect_form(request))).model_dump()
    finally:
        answerer.close()


def test_a_form_is_answered_as_its_package_is(champion: Champion) -> None:
    known = ask(champion, package(230))
    assert ask_form(champion, **package(230)) == known
    sample = tables()["approved_samples"].slice(5, 1).to_pylist()[0]
    along = {f"approved_{name}": sample[name] for name in READINGS}
    along["approved_picture"] = b64encode(sample["picture"]).decode()
    assert ask_form(champion, **package(230, batch_id=None), **along) == known
    with pytest.raises(Refusal, match=r"^picture: 13 bytes that are no JPEG"):
        ask_form(champion, **package(230, picture=b64encode(hostile()["text"][0]).decode()))
    with pytest.raises(Refusal, match=r"^approved_picture: 13 bytes"):
        broken = {**along, "approved_picture": b64encode(hostile()["text"][0]).decode()}
        ask_form(champion, **package(230, batch_id=None), **broken)
    for half in ({}, {"approved_weight_g": 500.0}):
        with pytest.raises(
            ValueError, match="either batch_id or the whole approved sample: approved_weight_g, approved_"
        ):
            ask_form(champion, **package(230, batch_id=None), **half)
    with pytest.raises(ValueError, match="either batch_id or the whole"):
        ask_form(champion, **package(230), **along)


def test_reasons_name_what_is_off(champion: Champion) -> None:
    reply = ask(champion, package(230, weight_g=350.0), reasons=True)
    why = reply["packages"][0]["reasons"]
    assert why["foremost"] == "weight_g" and why["readings"]["weight_g"] > 0
    for region in why["regions"]:
        assert region["weight"] > 0 and region["left_px"] + region["width_px"] <= 32
    with pytest.raises(Refusal, match="at most 2"):
        ask(champion, package(1), package(2), package(3), reasons=True)


class Broken:
    """A predictor that fails, dawdles, or answers what may not be acted on."""

    def __init__(self, predictor: Any, how: str) -> None:
        self._predictor, self._how, self.spec = predictor, how, predictor.spec

    def predict(self, asked: Any) -> Any:
        if self._how == "error":
            raise RuntimeError("the model is out of order")
        if self._how == "late":
            time.sleep(0.5)
        reply = self._predictor.predict(asked)
        return replace(reply, score=reply.score * np.nan) if self._how == "implausible" else reply


@pytest.mark.parametrize(
    ("how", "said"), [("error", "RuntimeError"), ("late", "longer than 50 ms"), ("implausible", "Implausible")]
)
def test_a_human_is_called_when_the_model_fails(champion: Champion, how: str, said: str) -> None:
    assert champion.model is not None
    model = replace(champion.model, predictor=Broken(champion.model.predictor, how))
    reply = ask(
        replace(champion, model=model), package(1), package(2), reasons=True, settings=ServeSettings(deadline_ms=25)
    )
    assert reply["served_by"] == "fallback:human" and reply["miss_level"] is None and said in reply["notes"][0]
    assert [(each["decision"], each["probability"]) for each in reply["packages"]] == [("human", None)] * 2


def test_broken_sensors_open_the_breaker_and_pictures_of_strangers_do_not(champion: Champion) -> None:
    off = {"weight_g": 90_000.0, "pressure_kpa": 1_900.0, "temperature_c": 290.0}
    for _ in range(SETTINGS.breaker_failures):
        reply = ask(champion, package(1, **off))
        assert reply["packages"][0]["decision"] == "human"
    assert reply["breaker"] == "open"
    assert "breaker is open" in ask(champion, package(1))["notes"][0]


@pytest.mark.parametrize("name", [*hostile(), "%%%%"])
def test_hostile_pictures_are_refused(champion: Champion, name: str) -> None:
    file, status, said = hostile().get(name, (b"", 400, "no base64"))
    sent = b64encode(file).decode() or name
    with pytest.raises(Refusal) as refused:
        ask(champion, package(1), package(2, picture=sent))
    assert refused.value.status == status
    assert refused.value.error.startswith("packages.1.picture") and said in refused.value.error
    assert champion.breaker_state == "closed"


def test_unknown_batches_are_named(champion: Champion) -> None:
    with pytest.raises(Refusal, match="unknown batch 'B9'") as refused:
        ask(champion, package(1), package(2, batch_id="B9"))
    assert refused.value.status == 404
    answerer = Answerer(lambda: champion, SETTINGS, ServiceMetrics("inspection"))
    page = asyncio.run(answerer.batches(BatchesRequest(after="B1", limit=2)))
    assert page == b'{"batch_ids":["B2","B3"],"total":6,"next_after":"B3"}'
    card = InspectionCard.model_validate_json(asyncio.run(answerer.model(swaps=0, problem=None)))
    assert (card.side_px, card.batches, card.kinds) == (32, 6, ["none", "spot", "underfill"])
    answerer.close()


def test_an_altered_release_calls_a_human(releases: Releases, tmp_path: Path, champion: Champion) -> None:
    mine = releases.copy_to(tmp_path / "releases")
    folder = mine.bot / FIRST
    (folder / "artifact" / "network.onnx").write_bytes(b"another")
    with pytest.raises(ReleaseError, match="altered"):
        open_champion(folder, pointer(mine), SETTINGS)
    for running in (None, champion):
        answers = degrade(running, folder, pointer(mine), "altered", SETTINGS)
        assert answers is not None
        reply = ask(answers, package(1))
        assert (reply["served_by"], reply["packages"][0]["decision"]) == ("fallback:human", "human")
    (folder / "samples" / "samples.safetensors").write_bytes(b"another")
    with pytest.raises(SamplesError, match="not the file its index describes"):
        read_samples(folder / "samples")
    blind = degrade(None, folder, pointer(mine), "altered", SETTINGS)
    assert blind is not None and ask(blind, package(1, batch_id="B9"))["packages"][0]["decision"] == "human"
