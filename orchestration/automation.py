"""Jobs, the daily schedule and the sensors: a new day, a gate that refused, a new champion."""

import json
from pathlib import Path

import dagster as dg

from orchestration.days import CHANGED, HOW_TO_CHOOSE
from orchestration.resources import WorkspaceResource

MODELS = ("forecaster", "recommender", "pricing", "inspection", "detector")
TABLES_AND_FEATURES = dg.AssetSelection.groups("sources", "gate", "demand", "features", "customers")
# What customers took is of the recommender's group, and made every day; the challenger is not.
TAKEN = dg.AssetSelection.assets(["features", "interactions"], ["features", "item_attributes"])
# So are the goods of a morning and the prices proposed for them.
PRICED = dg.AssetSelection.assets(["features", "fresh_goods"], ["pricing", "proposals"])
# And the packages of a day, whose approved samples go into the release.
PACKED = dg.AssetSelection.assets(["belt", "approved_samples"], ["belt", "inspections"])
# And what the shop's floor tells of a day, by the network in place; raw positions go when their time is up.
WATCHED = dg.AssetSelection.groups("floor") | dg.AssetSelection.assets(
    ["floor", "attention"],
    ["features", "attention"],
    ["features", "attention_online"],
    ["behaviour", "heat_map"],
    ["behaviour", "expired"],
)
# And what the unmanned shop settled, whose books are closed at night.
SETTLED = dg.AssetSelection.groups("shop")
RELEASES = dg.AssetSelection.assets(*([model, "release"] for model in MODELS))

full_job = dg.define_asset_job(
    "full",
    # Profiles are made when somebody asks for them, as long as nothing that serves reads them.
    dg.AssetSelection.all() - dg.AssetSelection.groups("profiles"),
    description="Every table, feature and model, end to end; unchanged work is skipped. " + HOW_TO_CHOOSE,
)
daily_job = dg.define_asset_job(
    "daily",
    # Pictures of cameras and image sets go into no release: no shop's day waits for photographs.
    TABLES_AND_FEATURES | TAKEN | RELEASES | PRICED | PACKED | SETTLED | WATCHED,
    description="A new day: tables, gate, features, online store, forecasts and recommendations with the champions in "
    "place, prices proposed for the morning, the shop's books balanced, attention told of its visits, raw positions expired. "
    + HOW_TO_CHOOSE,
)
retrain_job = dg.define_asset_job(
    "retrain",
    # Which origins there are depends on the model's parameters.
    dg.AssetSelection.groups(*MODELS, "behaviour", "features"),
    description="Train challengers on the tables at hand, judge them, release the champions. " + HOW_TO_CHOOSE,
)


@dg.op(config_schema={"model": str, "version": int, "who": str, "reason": str})
def promote_version(context: dg.OpExecutionContext, workspace: WorkspaceResource) -> None:
    """Promote a version through the gate, as `storeloop promote` does."""
    from orchestration.releases import promote_and_publish

    c = context.op_config
    moved = promote_and_publish(workspace.open(), c["model"], c["version"], who=c["who"], reason=c["reason"])
    context.log.info(f"champion of {moved.model}: version {moved.version}")


@dg.op(config_schema={"model": str, "who": str, "reason": str})
def roll_back(context: dg.OpExecutionContext, workspace: WorkspaceResource) -> None:
    """Give the alias back to the champion before, as `storeloop rollback` does."""
    from orchestration.releases import rollback_and_publish

    c = context.op_config
    moved = rollback_and_publish(workspace.open(), c["model"], who=c["who"], reason=c["reason"])
    context.log.info(f"champion of {moved.model}: version {moved.version}")


@dg.job(name="promote", description="Promote a registered version, if it passes the gate.")
def promote_job() -> None:
    """One op, so that a promotion has a run, a log and a person in its configuration."""
    promote_version()


@dg.job(name="rollback", description="Give the champion's place back to the version before it.")
def rollback_job() -> None:
    """One op, for the same reason."""
    roll_back()


@dg.schedule(job=daily_job, cron_schedule="30 4 * * *", execution_timezone="UTC")
def every_morning() -> dg.RunRequest:
    """The daily job on whatever changed since."""
    return dg.RunRequest(partition_key=CHANGED)


@dg.sensor(job=daily_job, minimum_interval_seconds=60, description="Runs the daily job when the source has changed.")
def new_day(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
    """One run a change of the source; its fingerprint is the cursor. No run key: a source may return to a former state."""
    seen = workspace.open().source.fingerprint()
    if seen == context.cursor:
        return dg.SensorResult(skip_reason="the source has not changed")
    return dg.SensorResult(run_requests=[dg.RunRequest(partition_key=CHANGED)], cursor=seen)


@dg.sensor(
    minimum_interval_seconds=60, description="Reports each gate that refused a batch, once, to the stewards' log."
)
def failed_gate(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
    """Writes `alerts.jsonl`; nothing is sent outside the machine."""
    from orchestration.alerts import report_refusals

    reported, cursor = report_refusals(workspace.open(), context.cursor)
    reason = f"{reported} refusals reported" if reported else "no new refusal"
    return dg.SensorResult(skip_reason=reason, cursor=cursor)


@dg.sensor(
    job=dg.define_asset_job("publish", RELEASES),
    minimum_interval_seconds=30,
    description="Publishes a release when a champion moved without one (an alias moved by hand in MLflow).",
)
def new_champion(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
    """Compares each alias with the pointer that services follow; the cursor keeps it from asking twice for one move."""
    opened = workspace.open()
    asked = json.loads(context.cursor) if context.cursor else {}
    said, waiting, requests = [], {}, []
    for model in MODELS:
        champion = opened.registry.champion(model)
        if champion is None:
            said.append(f"no champion of the {model} yet")
        elif str(champion.version) == served_version(opened.releases / model):
            said.append(f"version {champion.version} of the {model} is released")
        else:
            waiting[model] = champion.version
            if asked.get(model) == champion.version:
                said.append(f"the release of version {champion.version} of the {model} is under way")
            else:
                requests.append(dg.RunRequest(asset_selection=[dg.AssetKey([model, "release"])]))
    cursor = json.dumps(waiting)
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    return dg.SensorResult(skip_reason="; ".join(said), cursor=cursor)


def served_version(releases: Path) -> str | None:
    """The registry version that running services load, or None before the first release."""
    from serving.release import POINTER_FILE, read_pointer

    pointer = releases / POINTER_FILE
    return read_pointer(pointer).registry_version if pointer.exists() else None


JOBS = [full_job, daily_job, retrain_job, promote_job, rollback_job]
SCHEDULES = [every_morning]
SENSORS = [new_day, failed_gate, new_champion]
