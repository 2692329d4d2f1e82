"""The snapshot of customers: what is written is read, what is pushed shows, what is erased is nowhere."""

from pathlib import Path

import numpy as np
import pytest

from features.customer_batch import CustomerBatch, CustomerEvent, CustomersError
from features.online_customers import SnapshotCustomers, erase_from_snapshot, write_customers_snapshot


def batch() -> CustomerBatch:
    return CustomerBatch(
        customer_ids=("ann", "bob", "eve"),
        found=np.array([True, False, True]),
        history=(("milk", "bread"), (), ("tea",)),
        values={"purchases_7d": np.array([2.0, np.nan, 0.0]), "spend_7d": np.array([3.5, np.nan, np.nan])},
        texts={"segment": np.array(["loyal", "", ""]), "device": np.array(["app", "", "mobile"])},
    )


def event(
    event_id: str, item: str = "jam", kind: str = "purchase", at: int = 5, customer: str = "ann"
) -> CustomerEvent:
    return CustomerEvent(customer, item, kind, at, event_id)


def test_what_is_written_is_read_in_the_order_asked(tmp_path: Path) -> None:
    write_customers_snapshot(tmp_path / "customers", batch())
    snapshot = SnapshotCustomers(tmp_path / "customers")
    assert snapshot.customer_ids == ("ann", "eve")  # bob was not found
    read = snapshot.read(["eve", "bob", "ann"])
    assert read.found.tolist() == [True, False, True]
    assert read.history == (("tea",), (), ("milk", "bread"))
    np.testing.assert_array_equal(read.values["spend_7d"], [np.nan, np.nan, 3.5])
    assert read.texts["device"].tolist() == ["mobile", "", "app"] and read.texts["segment"].tolist() == [
        "",
        "",
        "loyal",
    ]
    write_customers_snapshot(tmp_path / "again", batch())
    for name in ("customers.json", "customers.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "customers" / name).read_bytes()


def test_what_is_pushed_shows_once_whatever_the_order(tmp_path: Path) -> None:
    write_customers_snapshot(tmp_path / "customers", batch())
    events = [event("2", "jam", at=9), event("1", "salt", at=7), event("3", "milk"), event("4", kind="click")]
    snapshot = SnapshotCustomers(tmp_path / "customers")
    assert snapshot.push(events) == 4 and snapshot.push(events[:2]) == 0
    assert snapshot.push([event("9", customer="new")]) == 1
    read = snapshot.read(["ann", "new"])
    assert read.history == (("milk", "bread", "salt", "jam"), ("jam",))
    assert read.values["purchases_7d"].tolist() == [5.0, 1.0] and read.found.all()


def test_a_history_keeps_the_newest_fifty(tmp_path: Path) -> None:
    write_customers_snapshot(tmp_path / "customers", batch())
    snapshot = SnapshotCustomers(tmp_path / "customers")
    snapshot.push([event(str(n), f"item-{n:02d}", at=n) for n in range(60)])
    assert snapshot.read(["ann"]).history == (tuple(f"item-{n:02d}" for n in range(10, 60)),)


@pytest.mark.parametrize("killed", [False, True])
def test_an_erased_customer_is_in_no_file_and_others_stay(tmp_path: Path, killed: bool) -> None:
    folder = tmp_path / "customers"
    write_customers_snapshot(folder, batch())
    before = SnapshotCustomers(folder).read(["eve"])
    held = {name: (folder / name).read_bytes() for name in ("customers.json", "customers.safetensors")}
    assert erase_from_snapshot(folder, ["ann", "nobody"]) == 1
    if killed:  # after the tensors had been moved, before the index was
        draft = tmp_path / ".customers.erased"
        draft.mkdir()
        (folder / "customers.json").rename(draft / "customers.json")
        (folder / "customers.json").write_bytes(held["customers.json"])
    assert erase_from_snapshot(folder, ["ann"]) == 0
    assert not any(b"ann" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    after = SnapshotCustomers(folder).read(["ann", "eve"])
    assert after.found.tolist() == [False, True] and after.history[1] == before.history[0]
    assert after.texts["device"][1] == "mobile" and sorted(p.name for p in tmp_path.iterdir()) == ["customers"]


def test_damage_another_batch_and_hostile_events_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "customers"
    write_customers_snapshot(folder, batch())
    write_customers_snapshot(folder, batch())
    with pytest.raises(CustomersError, match="never changes"):
        write_customers_snapshot(folder, SnapshotCustomers(folder).read(["eve"]))
    content = (folder / "customers.safetensors").read_bytes()
    (folder / "customers.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CustomersError, match="refused"):
        SnapshotCustomers(folder)
    with pytest.raises(CustomersError, match="write the release anew"):
        SnapshotCustomers(tmp_path / "nowhere")
    for wrong in (
        {"kind": "steal"},
        {"customer": ""},
        {"item": "x" * 201},
        {"at": -1},
        {"at": 2**60},
    ):
        with pytest.raises(CustomersError, match="expected"):
            event("1", **wrong)
    with pytest.raises(CustomersError, match="shape"):
        CustomerBatch(("ann",), np.array([True]), ((),), {"spend_7d": np.zeros(2)}, {})
