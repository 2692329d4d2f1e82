"""Days in Dagster: one set of partitions for every fact, and one standing key for the run that everybody makes.

A normal run has the partition key `changed`: fingerprints decide which days need work, and those are reported afterwards.
A run over days (one, a range, a backfill) makes those anew whatever their fingerprints say. One key a day and run would
mean a Dagster run a day; one range over all days would log every day of every table in every run, which takes minutes.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.events.log import EventLogEntry

# The version of Dagster is pinned; who reads the terminal can do nothing about it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

CHANGED = "changed"
DAYS = dg.DynamicPartitionsDefinition(name="day")
ONE_RUN = dg.BackfillPolicy.single_run()
HOW_TO_CHOOSE = (
    f"Choose the partition `{CHANGED}` to make what needs it; chosen days are made anew, contiguous ones in one run."
)
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def chosen(context: dg.AssetExecutionContext) -> list[str]:
    """The days to make anew whatever their fingerprints say, ascending; none in a normal run."""
    return sorted(key for key in context.partition_keys if key != CHANGED)  # Dagster hands them over as a set


def sync_days(instance: dg.DagsterInstance, days: Sequence[str]) -> None:
    """Let the instance know `days` (ascending ISO days) and no others.

    A range of dynamic partitions follows the order in which they came: behind an older day all are added again.
    """
    wanted, have = [CHANGED, *days], list(instance.get_dynamic_partitions("day"))
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(wanted, have, strict=False))))
    for key in have[same:]:
        instance.delete_dynamic_partition("day", key)
    if wanted[same:]:
        instance.add_dynamic_partitions("day", wanted[same:])


def report_days(context: dg.AssetExecutionContext, key: dg.AssetKey, made: Mapping[str, int | None]) -> None:
    """Log that this run made these days of `key` (day -> rows, where they are counted), in one transaction.

    Those that the run was started for are left out: Dagster logs them itself. To log events one by one would cost a
    commit each, so that the rows go into the index by the road that Dagster's own storage takes.
    """
    from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
    from dagster._core.events.log import EventLogEntry

    def entry(day: str, rows: int | None) -> "EventLogEntry":
        event = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=context.run.job_name,
            step_key=None,
            event_specific_data=StepMaterializationData(
                dg.AssetMaterialization(key, partition=day, metadata={} if rows is None else {"rows": rows})
            ),
        )
        return EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            level=20,
            user_message="",
            run_id=context.run.run_id,
            timestamp=time.time(),
            job_name=context.run.job_name,
            step_key=None,
            dagster_event=event,
        )

    if not made:
        return
    own = set(context.partition_keys)
    entries = [entry(day, rows) for day, rows in made.items() if day not in own]
    if not entries:
        return
    storage: Any = context.instance.event_log_storage
    with storage.index_transaction() as connection:
        ids = [connection.execute(storage.prepare_insert_event(e)).inserted_primary_key[0] for e in entries]
        storage._store_asset_event_tags(connection, entries, ids)
        storage._store_asset_event(connection, entries[-1], ids[-1])
