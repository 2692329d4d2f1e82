"""The shop's floor: its newest days through the gate, into the lake or, where they tell of persons' places, beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from orchestration.absence import not_provided
from orchestration.day_inputs import WHOLE, decided
from orchestration.disguise import disguised
from orchestration.floors import REMEDY, floor_of, shop_days
from orchestration.ingest import TableOutcome
from orchestration.positions import TABLES as RAW
from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.contracts import Contract
    from models.behaviour.config import Config
    from sources.twin.floor.floor_source import TwinFloor

OFF = "the shop's floor is not watched: set panel.days in params.yaml above 0"
_CODE = ("orchestration/floor_tables.py", "sources/twin/floor", "data_checks", "features/cleaning.py")


class PanelConfig(BaseModel):
    """The section `panel` of `params.yaml`: how many days of the shop's floor are watched, and by whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(8, ge=0, le=365, description="newest days whose visits are watched; 0 watches none")
    share: float = Field(1.0, gt=0, le=1, description="share of visits that wear eye trackers and agreed to it")
    strangers: float = Field(0.3, ge=0, le=1, description="share of visits without a customer's account")


@dataclass(frozen=True)
class Delivery:
    """Days of a table that should be there, each with what it is made from; `read` makes the raw rows of some of them."""

    made_from: Mapping[str, str]
    read: "Callable[[list[str]], pa.Table]"


def panel_config(settings: Settings) -> PanelConfig:
    """`panel` of `params.yaml`. Errors: ValueError for more days than raw positions live."""
    panel, positions_days = PanelConfig(**settings.section("panel")), behaviour_config(settings).positions_days
    if panel.days > positions_days:
        raise ValueError(
            f"panel.days {panel.days}: expected at most behaviour.positions_days, {positions_days}: raw positions of days "
            "before would be expired as they come in"
        )
    return panel


def behaviour_config(settings: Settings) -> "Config":
    """`behaviour` of `params.yaml`."""
    from models.behaviour.config import Config

    return Config(**settings.section("behaviour"))


def no_floor(workspace: Workspace) -> str | None:
    """Why no floor is watched; None where one is."""
    if not shop_days(workspace):
        return REMEDY
    return None if panel_config(workspace.settings).days else OFF


def watched_days(workspace: Workspace) -> dict[str, int]:
    """ISO day -> number of each day of the floor that is watched, oldest first."""
    newest = max(shop_days(workspace).items())
    count = min(panel_config(workspace.settings).days, newest[1] + 1)
    return {str(newest[0] - timedelta(days=ago)): newest[1] - ago for ago in reversed(range(count))}


def morning_after(workspace: Workspace) -> date:
    """The day after the newest one: today, as far as the floor knows."""
    return max(shop_days(workspace)) + timedelta(days=1)


def clean_floor_table(workspace: Workspace, table: str, *, run_id: str) -> TableOutcome:
    """Judge those days of a table of the floor that are not there yet; where no floor is watched the table is empty."""
    from orchestration.fingerprints import fingerprint
    from sources.twin.floor.floor_source import LANES

    if remedy := no_floor(workspace):
        return absent(workspace, table, remedy)
    floor = floor_of(workspace)
    assert floor is not None
    panel, settings = panel_config(workspace.settings), workspace.settings
    about = {"table": table, "floor": floor.params.model_dump(mode="json"), "seed": floor.seed,
             "panel": panel.model_dump(exclude={"days"})}  # fmt: skip
    numbers = watched_days(workspace)
    days = (WHOLE,) if table == LANES else numbers
    made_from = {day: fingerprint(code=_CODE, inputs=about | {"day": day}) for day in days}

    def read(some: list[str]) -> "pa.Table":
        source = _source(settings, max(shop_days(workspace)))
        return source.lanes() if table == LANES else source.read(table, [numbers[day] for day in some])

    return land(workspace, table, Delivery(made_from, read), run_id=run_id)


def land(workspace: Workspace, table: str, delivery: Delivery, *, run_id: str) -> TableOutcome:
    """Judge the days that are made from something else than those that lie there, and keep them where all rows together pass.

    Other days stay as they are. Customers who were erased come in as nobody.
    """
    from data_checks.contracts import load_contract
    from data_checks.docs_site import build_site
    from data_checks.gate import failing_rows
    from orchestration.aside import later
    from orchestration.cleaning import last_check

    contract, runs = load_contract(table), workspace.history.runs(table)
    held, made_from = _held(workspace, contract), _with_verdicts(workspace, contract, delivery.made_from)
    settled = bool(runs) and runs[-1].success
    days = [day for day, said in made_from.items() if held.get(day) != said]
    if not settled and not days:  # what was refused is not delivered any more: the check tells of the rest
        days = list(made_from)
    if not days and settled:
        facts = {**runs[-1].counts, **_facts(workspace, table), "unchanged": True}
        return TableOutcome(True, facts, last_check(workspace, table))
    result = _judged(workspace, contract, delivery.read(days))
    workspace.quarantine.write_days(table, result.failing, column=contract.partition_by, days=days)
    # Reports keep examples of rows for good, which raw positions must not be.
    told = replace(result, failing=failing_rows(contract)) if table in RAW else result
    workspace.history.record(told, run_id=run_id)
    facts = {**result.counts, "unchanged": False, "days_made": len(days)}
    if result.success:
        _keep(workspace, contract, result.good, {day: made_from[day] for day in days})
        facts |= _facts(workspace, table)
    later(build_site, workspace.site, history=workspace.history, quarantine=workspace.quarantine, judged=table)
    return TableOutcome(result.success, facts, last_check(workspace, table))


def absent(workspace: Workspace, table: str, remedy: str) -> TableOutcome:
    """Why nothing is told, and an empty table where there is none: what was told before stays."""
    from data_checks.contracts import load_contract

    rows = 0
    if table not in RAW:
        version = workspace.lake.version("clean", table)
        version = version or workspace.lake.write("clean", table, load_contract(table).empty(), fingerprint="absent")
        rows = version.rows
    return TableOutcome(True, {**not_provided(remedy), "rows": rows}, {"note": remedy})


@lru_cache(maxsize=1)
def _source(settings: Settings, newest: date) -> "TwinFloor":
    """The floor's days until the `newest`: each is lived once for all of its tables."""
    from sources.twin.floor.floor_source import TwinFloor

    workspace, panel = Workspace(settings), panel_config(settings)
    floor = floor_of(workspace)
    assert floor is not None
    known = "customers" in workspace.source.tables
    return TwinFloor(
        floor,
        panel=panel.share,
        strangers=panel.strangers,
        customers=workspace.source.read("customers").read_all() if known else None,
        disguise=partial(disguised, workspace, newest + timedelta(days=1)),
        first_day=newest - timedelta(days=max(shop_days(workspace).values())),
    )


def _judged(workspace: Workspace, contract: "Contract", raw: "pa.Table") -> Any:
    import ibis

    from data_checks.contracts import check_columns, load_contract
    from data_checks.erasure import KEPT
    from data_checks.gate import judge
    from data_checks.tombstones import forget
    from features.cleaning import tag_table

    check_columns(tuple(raw.column_names), load_contract(f"{contract.name}_raw"))
    known = forget(raw, workspace.tombstones, keep=contract.name in KEPT)
    con, lake = ibis.duckdb.connect(), workspace.lake
    names = {lookup.table for lookup in contract.lookups}
    references = {name: lake.read("clean", name, con) for name in sorted(names) if lake.version("clean", name)}
    tagged = tag_table(ibis.memtable(known), contract)
    decisions = workspace.quarantine.decisions(contract.name)
    return judge(tagged, contract, references=references, decisions=decisions, con=con)


def _with_verdicts(workspace: Workspace, contract: "Contract", made_from: Mapping[str, str]) -> dict[str, str]:
    """What each day is made from, and the stewards' verdicts on its rows, where there are any."""
    from orchestration.fingerprints import fingerprint

    decisions = workspace.quarantine.decisions(contract.name)
    verdicts = decided(workspace, contract.name, contract.partition_by, decisions) if len(decisions) else {}
    mixed = {day: fingerprint(code=(), inputs={"rows": made_from[day], "verdicts": verdicts[day]})
             for day in verdicts.keys() & made_from.keys()}  # fmt: skip
    return {**made_from, **mixed}


def _held(workspace: Workspace, contract: "Contract") -> dict[str, str]:
    """Day -> what it was made from."""
    if contract.name in RAW:
        return workspace.positions.days(contract.name)
    version = workspace.lake.version("clean", contract.name)
    if version is None:
        return {}
    if contract.partition_by is None:
        return {WHOLE: version.fingerprint}
    return {file.day: file.made_from for file in version.files if file.day}


def _keep(workspace: Workspace, contract: "Contract", good: Any, made_from: Mapping[str, str]) -> None:
    lake, order = workspace.lake, contract.primary_key
    if contract.partition_by is None:
        lake.write("clean", contract.name, good, fingerprint=made_from[WHOLE], sort_by=order)
        return
    if contract.name not in RAW:
        with lake.update("clean", contract.name, partition_by=contract.partition_by, sort_by=order) as update:
            update.put(good, made_from=made_from)
            update.commit("by day", days=update.made_from().keys() | made_from.keys())
        return
    import pyarrow.compute as pc

    rows = good.to_pyarrow().sort_by([(name, "ascending") for name in order])
    for day, said in made_from.items():
        mine = rows.filter(pc.equal(rows[contract.partition_by].cast("string"), day))
        workspace.positions.write(contract.name, day, mine, made_from=said)


def _facts(workspace: Workspace, table: str) -> dict[str, Any]:
    if table in RAW:
        held = workspace.positions
        return {"days": len(held.days(table)), "content_hash": held.content_hash(table)}
    version = workspace.lake.version("clean", table)
    assert version is not None
    return {"rows": version.rows, "days": len(version.partitions), "content_hash": version.content_hash}
