"""What each day of a clean table is made from: its own raw rows, and whatever else the gate looks at on its behalf.

A day's fingerprint moves with its raw rows, with returns that found or lost their sale on it, with keys that other days
repeat, with the rows of other tables that it refers to, and with what stewards decided on its rows; with nothing else.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.catalogue import SPECS
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.ingest import event_day
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.contracts import Contract
    from data_checks.decisions import Decisions
    from data_checks.lake import Lake
    from data_checks.rules import Lookup

CODE = (
    "orchestration/cleaning.py",
    "orchestration/day_inputs.py",
    "orchestration/ingest.py",  # tells the day of a row
    "features/cleaning.py",
    "features/cleaning_text.py",
)
JUDGE = ("data_checks/gate.py", "data_checks/lake.py")
OWN_CODE = {"transactions": ("features/cleaning_transactions.py",), "sales": ("features/cleaning_sales.py",)}
WHOLE = "all"


@dataclass(frozen=True)
class DayInputs:
    """`made_from` and `raw` (digest of the raw rows) by day; a table that is not cut has the one day `all`.

    `matches` are the returns that found their sale, `repeated` the (day, primary key) pairs whose key other days have too.
    """

    made_from: dict[str, str]
    raw: dict[str, str]
    matches: "pa.Table | None" = None
    repeated: "pa.Table | None" = None


def day_inputs(workspace: Workspace, table: str, contract: "Contract", decisions: "Decisions") -> DayInputs:
    """Look up what the days of `clean/<table>` are made from."""
    from data_checks.lake_days import day_digests

    version = workspace.lake.version("raw", table)
    assert version is not None
    common = fingerprint(
        code=(*CODE, *JUDGE, *OWN_CODE.get(table, ()), f"data_checks/contracts/{table}.odcs.yaml"),
        inputs={"source": source_facts(workspace, table), "columns": version.columns},
    )
    raw = version.digests()
    parts: dict[str, dict[str, str]] = {day: {"raw": digest} for day, digest in raw.items()}

    def add(what: str, digests: Mapping[str, str]) -> None:
        for day in digests.keys() & parts.keys():
            parts[day][what] = digests[day]

    matches = repeated = None
    if SPECS[table].partition_by is None:
        lake = workspace.lake
        refers = {name: lake.content_hash("clean", name) for name in references(workspace, table)}
        add("references", {WHOLE: _digest([json.dumps(refers, sort_keys=True)])})
    else:
        if table == "transactions":
            matches = _matches(workspace, contract)
            add("sold", day_digests(matches, "sold_on"))
            add("returned", day_digests(matches, "returned_on"))
        if SPECS[table].partition_by not in contract.primary_key and version.rows:
            repeated = _repeated(workspace, table, contract)
            add("repeated", day_digests(repeated, "_day"))
        for alias, digests in _referred(workspace, table, contract).items():
            add(alias, digests)
    add("decisions", decided(workspace, table, SPECS[table].partition_by, decisions))
    return DayInputs(
        {day: _digest([common, json.dumps(p, sort_keys=True)]) for day, p in parts.items()}, raw, matches, repeated
    )


def source_facts(workspace: Workspace, table: str) -> dict[str, Any]:
    """What the source says of itself beside its rows and cleaning goes by."""
    if table == "transactions":
        return dict(getattr(workspace.source, "transaction_rules", {}))
    return {"frequency": workspace.source.frequency} if table == "sales" else {}


def references(workspace: Workspace, table: str) -> list[str]:
    """Tables that the rules of `table` look into and that the source has."""
    return [name for name in SPECS[table].references if name in workspace.source.tables]


def _matches(workspace: Workspace, contract: "Contract") -> "pa.Table":
    """`tagged/return_matches`: which return cancels which sale; the one thing in cleaning that reaches across days."""
    from features.cleaning_transactions import TransactionRules, find_returns

    lake, facts = workspace.lake, source_facts(workspace, "transactions")
    made_from = fingerprint(
        code=("orchestration/day_inputs.py", *OWN_CODE["transactions"], "data_checks/contracts/transactions.odcs.yaml"),
        inputs={"raw": lake.content_hash("raw", "transactions"), "source": facts},
    )
    version = lake.version("tagged", "return_matches")
    if version is None or version.fingerprint != made_from:
        raw = lake.read("raw", "transactions", workspace.connect())
        found = find_returns(raw, contract, rules=TransactionRules(**facts))
        lake.write("tagged", "return_matches", found, fingerprint=made_from, sort_by=("return_key",))
    return lake.arrow("tagged", "return_matches")


def _repeated(workspace: Workspace, table: str, contract: "Contract") -> "pa.Table":
    """`tagged/repeated_<table>`: (`_day`, primary key) of every raw row whose key is found on more than one day.

    Of what was found before, only keys of days that changed since are looked for again.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lake, name = workspace.lake, f"repeated_{table}"
    version, before = lake.version("raw", table), lake.version("tagged", name)
    assert version is not None
    code = fingerprint(
        code=("orchestration/day_inputs.py", "orchestration/ingest.py", "features/cleaning.py"),
        inputs={"columns": version.columns},
    )
    stamp = Stamp(workspace.root / "judged" / f"{name}.json")
    now, then = version.digests(), stamp.facts() if stamp.says(code) and before is not None else {}
    changed = {day for day in now.keys() | then.keys() if now.get(day) != then.get(day)}
    if before is not None and not changed:
        return lake.arrow("tagged", name)
    if not then or len(changed) > len(now) // 2:
        found = _keys_on_several_days(workspace, table, contract, None)
    else:
        known = lake.arrow("tagged", name)
        gone = pc.is_in(pc.fill_null(known["_day"].cast("string"), "undated"), pa.array(sorted(changed)))
        con = workspace.connect()
        fresh = _keyed(lake.read("raw", table, con, days=changed), table, contract).drop("_day")
        keys = list(contract.primary_key)
        again = pa.concat_tables([con.to_pyarrow(fresh), known.filter(gone).select(keys)]).group_by(keys).aggregate([])
        kept = known.join(again, keys, join_type="left anti").select(known.column_names)
        found = pa.concat_tables([kept, _keys_on_several_days(workspace, table, contract, again)])
    stamp.clear()
    lake.write("tagged", name, found, fingerprint=code, sort_by=contract.primary_key)
    stamp.write(code, now)
    return lake.arrow("tagged", name)


def _keyed(raw: Any, table: str, contract: "Contract") -> Any:
    """`_day` and primary key of the raw rows that have one."""
    from features.cleaning import cast_value

    key = {name: cast_value(raw[name], contract.column(name).type) for name in contract.primary_key}
    rows = raw.select(_day=event_day(raw, table), **key)
    return rows.filter([rows[name].notnull() for name in contract.primary_key if contract.column(name).required])


def _keys_on_several_days(
    workspace: Workspace, table: str, contract: "Contract", keys: "pa.Table | None"
) -> "pa.Table":
    """(`_day`, primary key) of keys on more than one day: of all, or of some `keys`."""
    import ibis

    con, key = workspace.connect(), list(contract.primary_key)
    rows = _keyed(workspace.lake.read("raw", table, con), table, contract)
    if keys is not None:
        rows = rows.semi_join(ibis.memtable(keys), key)
    # Grouped by a hash first: a number a row is far less to keep than the key's text.
    text = ibis.literal("\x1f").join([rows[name].cast("string").fill_null("\x1e") for name in key])
    hashed = rows.mutate(_hash=text.hash(), _dated=rows["_day"].fill_null(ibis.date(1, 1, 1)))
    spread = hashed.group_by("_hash").agg(first=hashed["_dated"].min(), last=hashed["_dated"].max())
    near = hashed.semi_join(spread.filter(spread.first != spread.last), "_hash")
    exact = near.group_by(key).agg(first=near["_dated"].min(), last=near["_dated"].max())
    found: pa.Table = con.to_pyarrow(
        near.semi_join(exact.filter(exact.first != exact.last), key).select("_day", *key).distinct()
    )
    return found


def _referred(workspace: Workspace, table: str, contract: "Contract") -> dict[str, dict[str, str]]:
    """For each table that rules look into: day -> digest of its rows that the day's rows refer to.

    While those tables stay as they are, only days whose raw rows changed are looked at again.
    """
    lake, version = workspace.lake, workspace.lake.version("raw", table)
    assert version is not None
    lookups = [lookup for lookup in contract.lookups if lookup.table in references(workspace, table)]
    if not lookups:
        return {}
    made_from = fingerprint(
        code=(*CODE[1:], f"data_checks/contracts/{table}.odcs.yaml"),
        inputs={lookup.table: lake.content_hash("clean", lookup.table) for lookup in lookups},
    )
    stamp = Stamp(workspace.root / "judged" / f"referred_{table}.json")
    now = version.digests()
    before = stamp.facts() if stamp.says(made_from) else {"raw": {}, "digests": {}}
    changed = {day for day, digest in now.items() if before["raw"].get(day) != digest}
    if not changed and before["raw"].keys() == now.keys():
        return dict(before["digests"])
    raw = lake.read("raw", table, con := workspace.connect(), days=changed)
    digests: dict[str, dict[str, str]] = {}
    for lookup in lookups:
        known = before["digests"].get(lookup.alias, {})
        kept = {day: digest for day, digest in known.items() if day in now and day not in changed}
        digests[lookup.alias] = kept | _digests_of(lookup, lake, raw, con, table=table, contract=contract)
    stamp.write(made_from, {"raw": now, "digests": digests})
    return digests


def _digests_of(
    lookup: "Lookup", lake: "Lake", raw: Any, con: Any, *, table: str, contract: "Contract"
) -> dict[str, str]:
    """Day -> digest of the rows of the table of `lookup` that the raw rows of the day refer to."""
    import pyarrow.compute as pc

    from features.cleaning import cast_value

    mine, theirs = zip(*lookup.on, strict=True)
    rows = lake.arrow("clean", lookup.table, [*theirs, *(name for name in lookup.columns if name not in theirs)])
    # Cleaning may write keys in capitals, so that a row is found under either spelling.
    known = {tuple(str(row[name]).upper() for name in theirs): repr(row) for row in rows.to_pylist()}
    asked = {name: cast_value(raw[name], contract.column(name).type).cast("string").upper() for name in mine}
    pairs = con.to_pyarrow(raw.select(_day=event_day(raw, table), **asked).distinct())
    pairs = pairs.sort_by([(name, "ascending") for name in ("_day", *mine)])
    by_day: dict[str, list[str]] = defaultdict(list)
    names = pc.fill_null(pairs["_day"].cast("string"), "undated").to_pylist()
    keys = zip(*(pairs[name].to_pylist() for name in mine), strict=True)
    for day, key in zip(names, keys, strict=True):
        by_day[day].append(known.get(key, ""))
    return {day: _digest(found) for day, found in by_day.items()}


def decided(workspace: Workspace, table: str, column: str | None, decisions: "Decisions") -> dict[str, str]:
    """Day -> digest of the verdicts in force on its rows; `column` tells the day, None of a table that is not cut."""
    if column is None:
        return {WHOLE: _digest(_spelt(decisions.verdicts))}
    if not len(decisions):
        return {}
    days = workspace.quarantine.texts_of(table, column)
    by_day: dict[str, list[str]] = defaultdict(list)
    for key, line in zip(decisions.verdicts["_row_key"].to_pylist(), _spelt(decisions.verdicts), strict=True):
        by_day[days.get(key) or "undated"].append(line)
    return {day: _digest(lines) for day, lines in by_day.items()}


def _spelt(verdicts: "pa.Table") -> list[str]:
    import pyarrow.compute as pc

    columns = (verdicts[name] for name in verdicts.column_names)
    spelt: list[str] = pc.binary_join_element_wise(*columns, "\x1f").to_pylist()
    return spelt


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
