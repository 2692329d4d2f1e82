"""The recommender from events alone to a released champion: gate, evidence, moves, and what each of them leaves behind."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from edge.bots import BOTS as EDGE_BOTS
from features.online_customers import SnapshotCustomers
from models.recommender.fallback import read_popular
from models.recommender.predict import RecommendInput, load
from orchestration import releases
from orchestration.automation import new_champion
from orchestration.commands.demo import summarise
from orchestration.judging import evidence_page, judge_version, read_verdict
from orchestration.promotion import UNSCORED, Verdict
from orchestration.recommender_scoring import losses, unseen
from orchestration.recommending import dataset
from orchestration.releases import POINTER, PromotionRefused, promote_and_publish, rollback_and_publish
from orchestration.resources import WorkspaceResource
from orchestration.runner import RunOutcome, run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.recommender_champion import open_champion
from serving.release import read_pointer, verify
from serving.settings import ServeSettings

SMALL = "threads: 1, width: 16, epochs: 3, steps_min: 60, batch: 64, negatives: 50, ranker_epochs: 2"
POOR = f"{SMALL}, linear_l2: 100000.0, linear_neighbours: 1, learning_rate: 1.0e-6, ranker_epochs: 0"
KINDS, OF_A_KIND, CUSTOMERS = 8, 12, 160
MODEL, MOVE = "recommender", {"who": "ada", "reason": "seen at two kiosks"}
FIRST = datetime(2026, 1, 5, 9)


def walks() -> list[tuple[str, str, datetime]]:
    """Customers who mostly go on to the next item of a kind, one a day, from January on: (customer, item, when)."""
    rng = np.random.default_rng(3)
    rows = []
    for customer in range(CUSTOMERS):
        kind, at = int(rng.integers(KINDS)), int(rng.integers(OF_A_KIND))
        for place in range(int(rng.integers(4, 9))):
            rows.append((f"who{customer}", f"k{kind}i{at}", FIRST + timedelta(days=place)))
            at = (at + 1) % OF_A_KIND
    return rows


def next_day(rows: Sequence[tuple[str, str, datetime]], customers: int) -> list[tuple[str, str, datetime]]:
    """What the first customers take in February: the next item of their kind."""
    last = {who: item for who, item, _ in rows}
    later = []
    for customer in range(customers):
        kind, at = last[f"who{customer}"][1:].split("i")
        when = FIRST + timedelta(days=30)
        later.append((f"who{customer}", f"k{kind}i{(int(at) + 1) % OF_A_KIND}", when))
    return later


def write_shop(folder: Path, rows: Sequence[tuple[str, str, datetime]]) -> None:
    folder.mkdir(exist_ok=True)
    lines = ["customer_id,item_id,event_time,kind", *(f"{who},{item},{when},purchase" for who, item, when in rows)]
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def settings_of(make_settings: Callable[..., Settings], home: Path, *, shop: Path, knobs: str = SMALL) -> Settings:
    home.mkdir(parents=True, exist_ok=True)
    params = home / "params.yaml"
    params.write_text(f"recommender: {{{knobs}}}\n", encoding="utf-8")
    return make_settings(source=f"folder:{shop}", home=home, params=params, peer_trials=1)


def done(settings: Settings, target: str) -> RunOutcome:
    outcome = run(settings, target)
    assert outcome.success, outcome.failures
    return outcome


@pytest.fixture(scope="module")
def loop(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunOutcome]:
    """A shop of which events alone are known, after a full run with a good challenger and one with a poor one."""
    root = tmp_path_factory.mktemp("loop")
    write_shop(root / "shop", walks())
    first = done(settings_of(make_settings, root / "home", shop=root / "shop"), "full")
    done(settings_of(make_settings, root / "home", shop=root / "shop", knobs=POOR), "group:recommender")
    return root, first


@pytest.fixture
def workspace(
    loop: tuple[Path, RunOutcome], make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Workspace]:
    """A copy that a test may change, on the same shop: workspaces are named by the path of their source."""
    root, _ = loop
    shutil.copytree(root / "home", tmp_path / "home")
    yield Workspace(settings_of(make_settings, tmp_path / "home", shop=root / "shop", knobs=POOR))
    write_shop(root / "shop", walks())


def served(workspace: Workspace) -> str:
    return read_pointer(workspace.releases / MODEL / POINTER).registry_version


def failed(verdict: Verdict) -> list[str]:
    return [row.name for row in verdict.criteria if not row.passed]


def test_events_alone_bring_a_recommender_and_leave_the_forecaster_out(
    loop: tuple[Path, RunOutcome], workspace: Workspace
) -> None:
    _, outcome = loop
    absent = {asset for asset, facts in outcome.metadata.items() if facts.get("provided") is False}
    forecaster = {f"forecaster/{step}" for step in ("challenger", "registered", "champion", "release", "bento")}
    assert forecaster | {"demand/sales", "features/sales_state", "features/online_store"} <= absent
    assert not {f"{MODEL}/{step}" for step in ("challenger", "registered", "champion", "release", "bento")} & absent
    assert outcome.metadata["forecaster/release"]["remedy"] == "a source with sales or transactions is needed"
    champion = workspace.registry.champion(MODEL)
    assert champion is not None
    assert champion.version == 1, "a poor challenger must not win the gate"
    summary = summarise(workspace)["models"]
    assert summary["forecaster"]["provided"] is False
    assert summary[MODEL]["champion"]["version"] == 1
    again = run(workspace.settings, "daily")
    assert again.success, again.failures


def test_a_release_holds_champion_popular_items_and_customers(workspace: Workspace) -> None:
    pointer = read_pointer(workspace.releases / MODEL / POINTER)
    folder = workspace.releases / MODEL / pointer.release
    verify(folder, pointer.artifact_id)
    taken: dict[str, list[str]] = {}
    for who, item, _ in walks():
        taken.setdefault(who, []).append(item)
    batch = SnapshotCustomers(folder / "customers").read(["who0", "nobody"])
    assert batch.history == (tuple(taken["who0"]), ())
    assert batch.found.tolist() == [True, False]
    holders: dict[str, set[str]] = {}
    for who, item, _ in walks():
        holders.setdefault(item, set()).add(who)
    items, _ = read_popular(folder / "fallback").best("", 3, lambda item: True)
    most = sorted(holders, key=lambda item: (-len(holders[item]), item))
    assert items == most[:3]
    champion = open_champion(folder, pointer, ServeSettings(), None)  # as the service does: verified, warm, tested
    assert (champion.customers_from, champion.registry_version) == ("snapshot", "1")
    reply = load(folder / "artifact").predict(RecommendInput([taken["who0"]], k=3))
    kind, at = taken["who0"][-1][1:].split("i")
    assert f"k{kind}i{(int(at) + 1) % OF_A_KIND}" in reply.items[0].tolist()


def test_a_worse_challenger_is_refused_and_an_override_is_recorded(workspace: Workspace) -> None:
    registry = workspace.registry
    verdict = read_verdict(workspace, MODEL)
    assert "loss difference to the champion, upper 95 % bound" in failed(verdict)
    assert f"the champion did not see those of {CUSTOMERS}" in verdict.judged
    with pytest.raises(PromotionRefused, match="recommender version 2 does not pass the gate"):
        promote_and_publish(workspace, MODEL, 2, **MOVE)
    assert served(workspace) == "1"
    promote_and_publish(workspace, MODEL, 2, **MOVE, override=True)
    assert served(workspace) == "2"
    rollback_and_publish(workspace, MODEL, **MOVE)
    assert served(workspace) == "1"
    overridden, back = registry.movements(MODEL)[-2:]
    assert (overridden.who, overridden.reason.split(" (")[0]) == ("ada", "gate overridden")
    assert (back.action, back.version, back.who) == ("rollback", 1, "ada")
    assert registry.movements("forecaster") == []


def test_nothing_moves_before_the_release_is_there(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr(releases, "_write_release", broken)
    with pytest.raises(ValueError, match="the disk is full"):
        promote_and_publish(workspace, MODEL, 2, **MOVE, override=True)
    assert workspace.registry.champion(MODEL).version == 1
    assert served(workspace) == "1"


def test_an_alias_moved_by_hand_is_published(workspace: Workspace) -> None:
    workspace.registry.promote(MODEL, 2, **MOVE)  # as MLflow's own page does, without a release
    resources = {"workspace": WorkspaceResource.of(workspace.settings)}
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, resources=resources) as context,
    ):
        (asked,) = new_champion(context).run_requests
    assert asked.asset_selection == [dg.AssetKey([MODEL, "release"])]
    done(workspace.settings, f"{MODEL}/release")
    assert served(workspace) == "2"


def test_losses_are_those_of_ranks_by_hand(workspace: Workspace) -> None:
    """A scorer that puts the held-out items of three customers at ranks 1, 3 and 11."""
    data = dataset(workspace)
    rows = np.array([0, 5, 9])
    wanted = dict(zip(data.judged[rows].tolist(), (1, 3, 11), strict=True))

    def scorer(theirs: object, customers: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(customers), len(data.items)), dtype=np.float32)
        for line, customer in enumerate(customers.tolist()):
            taken = data.histories.items[data.histories.starts[customer] : data.histories.starts[customer + 1]]
            others = np.setdiff1d(np.arange(len(data.items)), taken)
            scores[line, taken[-1]] = 1.0
            scores[line, others[: wanted[customer] - 1]] = 2.0
        return scores

    np.testing.assert_allclose(losses(scorer, data, rows), [0.0, 0.5, 1.0])  # 1 - 1 / log2(1 + rank) within ten


def test_the_champion_is_judged_on_what_it_cannot_have_seen(
    workspace: Workspace, loop: tuple[Path, RunOutcome], make_settings: Callable[..., Settings]
) -> None:
    """In February 40 customers take something: on these alone a champion of January can be compared."""
    home, shop, registry = workspace.settings.home, loop[0] / "shop", workspace.registry
    write_shop(shop, walks() + next_day(walks(), 40))
    outcome = done(settings_of(make_settings, home, shop=shop), "full")
    assert outcome.metadata[f"{MODEL}/champion"]["challenger"] == 3
    newest, former = registry.version(MODEL, 3), registry.version(MODEL, 1)
    data = dataset(workspace)
    assert unseen(data, newest).all()
    assert data.customers[data.judged[unseen(data, former)]].tolist() == sorted(f"who{n}" for n in range(40))
    verdict = read_verdict(workspace, MODEL)
    assert "each of 160 customers" in verdict.judged
    assert "those of 40, and on these" in verdict.judged
    assert verdict.window_end == date(2026, 2, 4)
    compared = next(row for row in verdict.criteria if row.name.startswith("loss difference to the champion"))
    assert "40 customers" in compared.note
    page = evidence_page(workspace, MODEL, 3).read_text(encoding="utf-8")
    assert "those of 40, and on these" in page


def test_a_champion_that_saw_nearly_all_cannot_be_scored(
    workspace: Workspace, loop: tuple[Path, RunOutcome], make_settings: Callable[..., Settings]
) -> None:
    home, shop = workspace.settings.home, loop[0] / "shop"
    write_shop(shop, walks() + next_day(walks(), 5))
    done(settings_of(make_settings, home, shop=shop), "full")
    verdict = read_verdict(workspace, MODEL)
    assert UNSCORED in failed(verdict)
    assert "5 customers took anything since its data ended on 2026-01-12" in verdict.criteria[-1].note
    assert workspace.registry.champion(MODEL).version == 1
    with pytest.raises(ValueError, match=r"5 customers took anything that version 2 did not see .* at least 20"):
        judge_version(workspace, workspace.registry.version(MODEL, 2))


def test_the_evidence_page_stands_alone_and_names_no_customer(workspace: Workspace) -> None:
    page = evidence_page(workspace, MODEL, 1).read_text(encoding="utf-8")
    assert "Passed the promotion gate" in page
    for part in (
        "Verdict",
        "Metrics beside baselines",
        "Pictures",
        "What moves its recommendations",
        "Examples",
        "Limits",
    ):
        assert f"<h2>{part}</h2>" in page
    assert "features/interactions" in page
    assert page.count("data:image/png;base64,") == 3
    assert "item-kNN (implicit)" in page
    assert "who1" not in page
    assert "http://" not in page
    assert "https://" not in page
    record = json.loads(evidence_page(workspace, MODEL, 1).with_suffix(".json").read_text(encoding="utf-8"))
    assert record["verdict"]["promoted"] is True


def test_the_edge_bundle_is_made_and_once(loop: tuple[Path, RunOutcome]) -> None:
    _, outcome = loop
    assert MODEL in EDGE_BOTS
    assert outcome.metadata[f"{MODEL}/edge_bundle"]["revision"] == 1
