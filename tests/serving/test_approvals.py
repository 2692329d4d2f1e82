"""Proposals and decisions: idempotent, stale ones told, a chain that cannot be changed, and nothing lost by a kill."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from approval_case import DAY_S, Clock, proposal, statuses

from serving.approvals import ApprovalError, Approvals, Filter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def approvals(tmp_path: Path, clock: Clock) -> Approvals:
    return Approvals(tmp_path / "approvals.sqlite", proposal_s=DAY_S, approved_s=3 * DAY_S, clock=clock)


def test_a_run_that_is_sent_again_proposes_nothing_twice(approvals: Approvals) -> None:
    run = [proposal("p1"), proposal("p2", "I2")]
    assert approvals.propose(run) == 2
    assert approvals.propose(run) == 0
    assert statuses(approvals) == {"pending": 2}
    approvals.reject(["p1"], who="Ada", reason="too low")
    assert approvals.propose(run) == 0 and statuses(approvals) == {"pending": 1, "rejected": 1}


def test_what_was_passed_over_or_too_old_waits_again_when_it_is_proposed_again(
    approvals: Approvals, clock: Clock
) -> None:
    """The same situation twice in a day is one proposal: its price counts again, and `reprice again` helps."""
    first, second = proposal("p1"), proposal("p2", price=2.5)
    for each in (first, second, first):
        assert approvals.propose([each]) == 1
    (kept,), _ = approvals.listed(Filter(), first=0, count=10)
    assert kept.proposal == first and kept.follower is None and statuses(approvals) == {"pending": 1, "superseded": 1}
    clock.now += DAY_S
    assert "reprice again" in approvals.approve(["p1"], who="Ada").conflicts[0]
    assert approvals.propose([first]) == 1 and approvals.approve(["p1"], who="Ada").done == ("p1",)
    assert approvals.propose([first]) == 0, "what somebody decided on stays decided"


def test_a_proposal_that_waits_for_the_file_is_as_old_as_its_place_in_it(
    approvals: Approvals, tmp_path: Path, clock: Clock
) -> None:
    """A page that was shown while it waited lacks it, so that `every proposal of this view` must not mean it."""
    holder = sqlite3.connect(tmp_path / "approvals.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=approvals.propose, args=([proposal("p1")],))
    waiting.start()
    time.sleep(0.3)
    clock.now += 10
    shown_s = approvals.now()
    clock.now += 1
    holder.execute("ROLLBACK")
    waiting.join()
    assert statuses(approvals) == {"pending": 1} and approvals.every(Filter(), until_s=shown_s) == []


def test_all_of_a_run_is_kept_or_nothing(approvals: Approvals) -> None:
    with pytest.raises(sqlite3.Error):
        approvals.propose([proposal("p1"), proposal("p2", "I2", price=None)])
    assert statuses(approvals) == {}


def test_an_approved_price_is_in_force_until_it_expires(approvals: Approvals, clock: Clock) -> None:
    approvals.propose([proposal("p1"), proposal("p2", "I2")])
    assert approvals.in_force("salad", ["I1", "I2"]) == {}
    assert approvals.approve(["p1"], who="Ada").done == ("p1",)
    assert approvals.in_force("salad", ["I1", "I2"]) == {"I1": ("p1", 2.0)}
    assert approvals.in_force("milk", ["I1"]) == {}
    clock.now += 3 * DAY_S - 1
    assert approvals.in_force("salad", ["I1"]) == {"I1": ("p1", 2.0)}
    clock.now += 2
    assert approvals.in_force("salad", ["I1"]) == {}


def test_the_last_approved_price_counts(approvals: Approvals, clock: Clock) -> None:
    for number, price in enumerate((2.0, 2.5)):
        clock.now += 60
        approvals.propose([proposal(f"p{number}", price=price)])
        approvals.approve([f"p{number}"], who="Ada")
    assert approvals.in_force("salad", ["I1"]) == {"I1": ("p1", 2.5)}


def test_approving_again_changes_nothing(approvals: Approvals) -> None:
    approvals.propose([proposal("p1")])
    approvals.approve(["p1"], who="Ada", reason="fits")
    again = approvals.approve(["p1", "p1"], who="Ben")
    assert (again.done, again.known, again.conflicts) == ((), ("p1",), ())
    links, total = approvals.audit.listed(first=0, count=10)
    assert total == 1 and links[0].decision.who == "Ada"


def test_stale_proposals_are_told_one_by_one(approvals: Approvals, clock: Clock) -> None:
    approvals.propose([proposal("old"), proposal("sold", "I2"), proposal("fine", "I3")])
    approvals.propose([proposal("newer", price=2.5)])
    approvals.reject(["sold"], who="Ben", reason="no")
    found = approvals.approve(["old", "sold", "fine", "nothing"], who="Ada")
    assert found.done == ("fine",)
    assert found.conflicts == (
        "I1: stale, a newer proposal (newer) took its place: decide on that one",
        "I2: stale, Ben rejected it already: reprice again",
        "'nothing': there is no such proposal: reprice again",
    )
    assert approvals.reject(["fine"], who="Ben", reason="late").conflicts == (
        "I3: stale, Ada approved it already: reject the next one, or let it expire",
    )
    clock.now += DAY_S
    assert approvals.approve(["newer"], who="Ada").conflicts == ("I1: stale, it is too old: reprice again",)
    assert approvals.in_force("salad", ["I1", "I2"]) == {}


def test_a_rejection_needs_a_reason_and_a_decision_a_name(approvals: Approvals) -> None:
    approvals.propose([proposal("p1")])
    with pytest.raises(ApprovalError, match="a rejection needs a reason"):
        approvals.reject(["p1"], who="Ada", reason="  ")
    with pytest.raises(ApprovalError, match="must have a name"):
        approvals.approve(["p1"], who=" ")
    with pytest.raises(ApprovalError, match="at most 2000 characters"):
        approvals.approve(["p1"], who="Ada", reason="x" * 2_001)
    assert statuses(approvals) == {"pending": 1}


def test_proposals_are_filtered_and_the_highest_gain_comes_first(approvals: Approvals) -> None:
    approvals.propose(
        [
            proposal("p1", "Apple", gain=0.1),
            proposal("p2", "Pear", gain=0.9, rule=""),
            proposal("p3", "Plum 5%_", gain=None, market="fruit"),
        ]
    )

    def shown(**wanted: str) -> list[str]:
        return [each.proposal.proposal_id for each in approvals.listed(Filter(**wanted), first=0, count=10)[0]]

    assert shown() == ["p2", "p1", "p3"]
    assert shown(market="fruit") == ["p3"] and shown(rule="floor") == ["p1", "p3"]
    assert shown(search="PL") == ["p1", "p3"] and shown(search="%_") == ["p3"] and shown(status="approved") == []
    assert approvals.listed(Filter(), first=1, count=1)[1] == 3
    assert approvals.choices("market") == ["fruit", "salad"]


def test_the_audit_chain_by_hand(approvals: Approvals, tmp_path: Path, clock: Clock) -> None:
    approvals.propose([proposal("p1"), proposal("p2", "I2")])
    approvals.approve(["p1"], who="Ada", reason="fits")
    approvals.reject(["p2"], who="Ben", reason="too low")
    rows = sqlite3.connect(tmp_path / "approvals.sqlite").execute("SELECT * FROM decisions ORDER BY number").fetchall()
    previous = "0" * 64
    for number, (found, content, before, digest) in enumerate(rows, start=1):
        assert (found, before) == (number, previous)
        previous = digest
        assert digest == sha256(f"{before}\n{content}".encode()).hexdigest()
    assert json.loads(rows[1][1]) == {
        "when_s": clock.now, "who": "Ben", "what": "rejected", "proposal_id": "p2", "market": "salad", "item_id": "I2",
        "old_price": 3.0, "new_price": 2.0, "reason": "too low",
    }  # fmt: skip
    assert approvals.audit.head() == previous and approvals.audit.problem() is None


@pytest.mark.parametrize("change", ["UPDATE decisions SET content = '{}'", "DELETE FROM decisions"])
def test_decisions_are_never_changed_or_removed(approvals: Approvals, tmp_path: Path, change: str) -> None:
    approvals.propose([proposal("p1"), proposal("p2", "I2"), proposal("p3", "I3")])
    approvals.approve(["p1", "p2", "p3"], who="Ada")
    connection = sqlite3.connect(tmp_path / "approvals.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="decisions are never"):
        connection.execute(change)
    # Whoever tears the guard away still breaks the chain.
    connection.executescript(f"DROP TRIGGER decisions_stay; DROP TRIGGER decisions_remain; {change} WHERE number = 2;")
    assert approvals.audit.problem() == "decision 2 was changed or removed: restore the file from its last copy"


def test_what_nobody_needs_any_more_is_forgotten_but_not_the_decisions(approvals: Approvals, clock: Clock) -> None:
    approvals.propose([proposal("p1"), proposal("p2", "I2")])
    approvals.approve(["p1"], who="Ada")
    clock.now += 8 * DAY_S
    approvals.propose([proposal("p9", "I9")])
    assert statuses(approvals) == {"pending": 1}
    assert approvals.audit.listed(first=0, count=10)[1] == 1


def test_two_approvers_at_once_leave_one_decision_each(approvals: Approvals) -> None:
    names = [f"p{number}" for number in range(40)]
    approvals.propose([proposal(name, f"I{name}") for name in names])
    found = {}

    def decide(who: str) -> None:
        found[who] = [approvals.approve([name], who=who) for name in names]

    threads = [threading.Thread(target=decide, args=(who,)) for who in ("Ada", "Ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [name for each in found.values() for one in each for name in one.done]
    assert sorted(done) == sorted(names) and approvals.audit.listed(first=0, count=1)[1] == 40
    assert approvals.audit.problem() is None


KILLED = """
import sys, time
from pathlib import Path
from serving.approvals import Approvals, Proposal
approvals = Approvals(Path(sys.argv[1]), proposal_s=1e6, approved_s=1e6, clock=time.time)
for run in range(10_000):
    made = [Proposal(f"{run}-{n}", "salad", f"I{n}", 3.0, 2.0, 2.0, "", None, "champion", "a") for n in range(50)]
    approvals.propose(made)
    approvals.approve([made[0].proposal_id], who="Ada")
    print(run, flush=True)
"""


def test_a_kill_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "approvals.sqlite"
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(3):
            confirmed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        approvals = Approvals(file, proposal_s=1e6, approved_s=1e6, clock=time.time)
        counts = approvals.counts()
        assert sum(counts.values()) % 50 == 0, "a run is kept whole or not at all"
        assert counts["approved"] >= confirmed + 1
        assert approvals.audit.problem() is None
        assert approvals.audit.listed(first=0, count=1)[1] == counts["approved"]
