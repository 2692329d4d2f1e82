"""The packing line of a workspace: which one feeds it, and its two tables through the gate into the lake."""

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from orchestration.ingest import TableOutcome
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.twin.belt.params import BeltParams

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.contracts import Contract
    from sources.belts import BeltSource

OFF = "off"
PICTURE = "picture"
REMEDY = (
    "no packing line is configured: set STORELOOP_BELT to `belt` (the twin's) or to a folder of inspections.parquet and "
    "approved_samples.parquet"
)
_CODE = ("orchestration/belt.py", "sources/belts.py", "sources/belt_folder.py", "sources/twin/belt", "data_checks",
         "features/cleaning.py")  # fmt: skip


class BeltConfig(BaseModel):
    """The section `belt` of `params.yaml`: how much of the twin's belt is delivered, and how it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(6, ge=1, le=3_650, description="newest days delivered")
    # Smaller pictures than a line's, so that the demo stays quick; 128 px see the weakest defects.
    line: BeltParams = Field(BeltParams(size_px=64), description="packages, camera and sensors")


@cache
def _opened(settings: Settings, until: int) -> "BeltSource | None":
    from sources.belts import TWIN, TwinBeltOptions, open_belt

    spec = settings.belt or (TWIN if settings.source == "twin" else OFF)
    if spec == OFF:
        return None
    config = belt_config(settings)
    return open_belt(spec, TwinBeltOptions(config.line, settings.twin_seed, config.days, until))


def belt_config(settings: Settings) -> BeltConfig:
    """`belt` of `params.yaml`."""
    return BeltConfig(**settings.section("belt"))


def belt_source(workspace: Workspace) -> "BeltSource | None":
    """The line that feeds this workspace; None where there is none. Of the twin, as far as the twin has lived."""
    settings = workspace.settings
    return _opened(settings, settings.twin_days or workspace.twin_clock.days() or belt_config(settings).days)


def clean_belt_table(workspace: Workspace, table: str, *, run_id: str) -> TableOutcome:
    """Judge a table of the line; when it passes, it replaces the clean one. Unchanged, it is not read again.

    A picture that is no whole square within the bounds breaks the rule on its type. Without a line the clean table is empty.
    """
    from data_checks.contracts import load_contract
    from data_checks.docs_site import build_site
    from data_checks.quarantine import WHOLE
    from orchestration.aside import later
    from orchestration.cleaning import last_check
    from orchestration.fingerprints import fingerprint

    lake, contract, source = workspace.lake, load_contract(table), belt_source(workspace)
    if source is None:
        lake.write("clean", table, contract.empty(), fingerprint="absent")
        return TableOutcome(True, {"provided": False, "rows": 0, "remedy": REMEDY}, {"note": REMEDY})
    decisions = workspace.quarantine.decisions(table)
    inputs = {"source": source.fingerprint(), "decided": sorted(map(str, decisions.verdicts.to_pylist())),
              "references": [lake.content_hash("clean", lookup.table) for lookup in contract.lookups]}  # fmt: skip
    made_from, version, runs = (
        fingerprint(code=_CODE, inputs=inputs),
        lake.version("clean", table),
        workspace.history.runs(table),
    )
    if version is not None and version.fingerprint == made_from and runs and runs[-1].success:
        facts = {**runs[-1].counts, "rows": version.rows, "content_hash": version.content_hash, "unchanged": True}
        return TableOutcome(True, facts | _shown(workspace, contract), last_check(workspace, table))
    result = _judged(workspace, source.read(table), contract, decisions)
    workspace.quarantine.write(table, WHOLE, result.failing)
    workspace.history.record(result, run_id=run_id)
    facts = {**result.counts, "unchanged": False}
    if result.success:
        version = lake.write("clean", table, result.good, fingerprint=made_from, sort_by=contract.primary_key)
        facts |= {"rows": version.rows, "content_hash": version.content_hash, **_shown(workspace, contract)}
    later(build_site, workspace.site, history=workspace.history, quarantine=workspace.quarantine, judged=table)
    return TableOutcome(result.success, facts, last_check(workspace, table))


def _shown(workspace: Workspace, contract: "Contract") -> dict[str, Any]:
    """A sheet of pictures evenly spaced through the clean table, with what they are of; of the others no picture is read."""
    import ibis

    from models.inspection.pictures import read_square
    from orchestration.image_pictures import markdown, plain_sheet, spaced

    (key,) = contract.primary_key
    ids = workspace.lake.arrow("clean", contract.name, [key])[key].to_pylist()
    if not ids:
        return {}
    chosen = spaced(ids)
    table = workspace.lake.read("clean", contract.name, ibis.duckdb.connect())
    rows = table.filter(table[key].isin(chosen)).order_by(key).to_pyarrow().to_pylist()
    titles = [f"{row[key]}, {row['product_id']}\n{row.get('defect') or 'approved'}" for row in rows]
    return {"samples": markdown("", plain_sheet([read_square(row[PICTURE]) for row in rows], titles))}


def _judged(workspace: Workspace, raw: "pa.Table", contract: "Contract", decisions: Any) -> Any:
    import ibis

    from data_checks.contracts import check_columns, load_contract
    from data_checks.gate import judge
    from features.cleaning import tag_table

    check_columns(tuple(raw.column_names), load_contract(f"{contract.name}_raw"))
    con = ibis.duckdb.connect()
    tagged = without_broken_pictures(con.to_pyarrow(tag_table(ibis.memtable(raw), contract)))
    names = {lookup.table for lookup in contract.lookups}
    references = {name: workspace.lake.read("clean", name, con) for name in sorted(names)}
    return judge(ibis.memtable(tagged), contract, references=references, decisions=decisions, con=con)


def without_broken_pictures(tagged: "pa.Table") -> "pa.Table":
    """Tagged rows with null for each picture that cannot be read, and what its reader said among the type errors."""
    import pyarrow as pa

    from models.common.pictures import PictureError
    from models.inspection.pictures import read_square

    pictures, errors = tagged[PICTURE].to_pylist(), tagged["_type_errors"].to_pylist()
    for row, file in enumerate(pictures):
        if file is None:
            continue
        try:
            read_square(file)
        except PictureError as error:
            said = f"{PICTURE}={error}"
            errors[row] = said if errors[row] is None else f"{errors[row]}; {said}"
            pictures[row] = None
    for name, values in ((PICTURE, pictures), ("_type_errors", errors)):
        place = tagged.schema.get_field_index(name)
        tagged = tagged.set_column(place, name, pa.array(values, tagged.schema.field(name).type))
    return tagged
