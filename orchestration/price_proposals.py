"""Each morning's prices of fresh goods by the champion: a table, and in approval mode proposals that people decide on."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.fingerprints import fingerprint
from orchestration.fresh_lake import CODE, NEEDED, NOTHING_FRESH, REMEDY, FreshMorning, this_morning
from orchestration.pricing_settings import MODEL, pricing_config
from orchestration.releases import released_pointer
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from models.pricing.fresh_ladder import FreshLadders
    from serving.approvals import Approvals
    from serving.pricing_batches import Prices
    from serving.pricing_champion import Model

TABLE = "price_proposals"
REFERENCE_DAYS = 30  # Directive (EU) 2019/2161: a discount is shown against the lowest price of that time
AT_ONCE = 10_000  # goods: as many as a request of the service may hold
NONE_KNOWN = "the champion knows none of today's fresh goods; train a challenger on them: `storeloop run group:pricing`"
NO_CHAMPION = "no version passed the promotion gate yet; see `storeloop models pricing`"


def propose_prices(workspace: Workspace) -> dict[str, Any]:
    """Write `features/price_proposals`, a row a good the champion knows, unless it was made from the very same; in approval
    mode (`STORELOOP_SERVE_APPROVAL`) hand them to the service's queue, each morning once."""
    from serving.pricing_champion import open_release

    if not workspace.source.tables >= NEEDED:
        return not_provided(REMEDY)
    champion, lake = workspace.registry.champion(MODEL), workspace.lake
    if champion is None:
        return not_provided(NO_CHAMPION)
    pointer = released_pointer(workspace, MODEL)
    made_from = fingerprint(
        code=(
            "orchestration/price_proposals.py",
            *CODE,
            "models/pricing",
            "serving/pricing_batches.py",
            "serving/pricing_fresh.py",
        ),
        inputs={"champion": pointer.artifact_id, "goods": lake.content_hash("features", "fresh_goods")},
    )
    approvals = _queue(workspace)
    version = lake.version("features", TABLE)
    unchanged = version is not None and version.fingerprint == made_from
    proposed = 0
    if version is None or not unchanged or (approvals is not None and not approvals.knows(made_from)):
        morning = this_morning(workspace, pricing_config(workspace.settings).essential_categories)
        if morning is None:
            return not_provided(NOTHING_FRESH)
        ladders, model = open_release(workspace.releases / MODEL / pointer.release, pointer)
        if ladders.fresh is None or not set(morning.names) & set(ladders.fresh.numbers):
            return not_provided(NONE_KNOWN)
        found = priced(model, ladders.fresh, morning, _lowest(workspace, morning))
        if version is None or not unchanged:
            rows = proposals_table(morning, found)
            version = lake.write("features", TABLE, rows, fingerprint=made_from, sort_by=("store_id", "product_id"))
        if approvals is not None:
            proposed = hand_over(approvals, found, pointer.artifact_id, morning, once=made_from)
    return {
        "rows": version.rows,
        "champion": int(pointer.registry_version),
        "unchanged": unchanged,
        "content_hash": version.content_hash,
        "approval": "off" if approvals is None else "on",
        "proposed": proposed,
        **_told(lake.arrow("features", TABLE)),
    }


def priced(
    model: "Model", ladders: "FreshLadders", morning: FreshMorning, lowest: Mapping[str, float]
) -> "list[Prices]":
    """Prices of the goods that have a ladder, decided as the service does, some thousands at once: by the network, outside its
    range of training by the last approved ladder. `lowest` of the past days by name, as far as known."""
    import numpy as np

    from serving.guarded import Implausible
    from serving.pricing_batches import Prices, price
    from serving.pricing_fresh import FreshItems

    at, store, place = morning.shop.morning(morning.books, morning.day)
    base = morning.books.base[store, morning.shop.facts.number[place]]
    known = np.flatnonzero([name in ladders.numbers for name in morning.names])
    found = []
    for first in range(0, len(known), AT_ONCE):
        rows = known[first : first + AT_ONCE]
        names = tuple(morning.names[row] for row in rows)
        listed = base[rows]
        asked = FreshItems(
            ladders,
            names,
            listed=listed,
            stock=at.stock[rows],
            before=np.round(at.before[rows] * listed, 2),
            weekday=at.weekday[rows],
            coming=at.coming[rows],
            wait=at.wait[rows],
            expected=at.mean[rows],
            up_to=at.up_to[rows].astype(np.float64),
            lowest=np.array([lowest.get(name, np.nan) for name in names]),
        )
        try:
            found.append(price(asked, model))
        except Implausible:  # `served_by` says so
            found.append(Prices.of_ladder(asked))
    return found


def proposals_table(morning: FreshMorning, found: "list[Prices]") -> "pa.Table":
    """store_id, product_id, date, list_price, before (on the label), price, wanted, rule, gain (null: no network spoke), reference
    (null: no discount may be shown), served_by, units in stock and expected today at list price."""
    import numpy as np
    import pyarrow as pa

    from serving.pricing_batches import SERVED
    from serving.pricing_fresh import FreshItems

    asked = [each.asked for each in found if isinstance(each.asked, FreshItems)]
    cells = [name.split("|", 1) for each in asked for name in each.item_ids]

    def joined(parts: Any) -> Any:
        return np.concatenate(list(parts))

    return pa.table(
        {
            "store_id": [cell[0] for cell in cells],
            "product_id": [cell[1] for cell in cells],
            "date": pa.array([morning.day] * len(cells), pa.date32()),
            "list_price": joined(each.listed for each in asked),
            "before": joined(each.before for each in asked),
            "price": joined(each.price for each in found),
            "wanted": np.round(joined(each.wanted for each in found), 4),
            "rule": pa.array([rule or None for each in found for rule in each.rule.tolist()], pa.string()),
            "gain": pa.array(joined(each.gain for each in found), from_pandas=True),
            "reference": pa.array(joined(each.reference for each in found), from_pandas=True),
            "served_by": SERVED[joined(each.served for each in found)].tolist(),
            "stock_units": joined(each.stock.sum(axis=1) for each in asked),
            "forecast_units": joined(each.expected[:, 0] for each in asked),
        }
    )


def hand_over(
    approvals: "Approvals", found: "list[Prices]", artifact_id: str, morning: FreshMorning, *, once: str
) -> int:
    """Propose the prices under the name that the service gives a day's run; how many were new. A run named `once` adds nothing
    when it comes again."""
    from serving.pricing_proposals import day_run, proposals_of

    made = proposals_of(found, artifact_id, day_run(morning.day))
    return approvals.propose(made.proposals, made.unmoved, once=once)


def _queue(workspace: Workspace) -> "Approvals | None":
    """The service's queue, in approval mode; where no folder is named it lies where `storeloop serve` has it."""
    from serving.approval_files import open_approvals
    from serving.settings import ServeSettings

    settings = ServeSettings()
    folder = settings.pricing or workspace.releases.parent / "pricing"
    return open_approvals(settings.model_copy(update={"pricing": folder}))


def _lowest(workspace: Workspace, morning: FreshMorning) -> dict[str, float]:
    """Lowest price of each good, `store|product`, over the days before the morning."""
    prices = workspace.lake.read("clean", "prices", workspace.connect())
    since = morning.day - timedelta(days=REFERENCE_DAYS)
    recent = prices.filter((prices["date"] >= since) & (prices["date"] < morning.day))
    found = recent.group_by(["store_id", "product_id"]).aggregate(lowest=recent["price"].min()).to_pyarrow()
    columns = (found[name].to_pylist() for name in ("store_id", "product_id", "lowest"))
    return {f"{store}|{product}": lowest for store, product, lowest in zip(*columns, strict=True)}


def _told(rows: "pa.Table") -> dict[str, Any]:
    """What people are shown of the table."""
    import numpy as np

    if not rows.num_rows:
        return {}
    price, listed = (np.asarray(rows[name].to_numpy()) for name in ("price", "list_price"))
    return {
        "mean_price_over_list": float((price / listed).mean()),
        "marked_down": int((price < listed - 0.005).sum()),
        "moved_by_a_rule": rows.num_rows - rows["rule"].null_count,
        "by_the_ladder": sum(name != "champion" for name in rows["served_by"].to_pylist()),
        "expected_gain": float(np.nansum(rows["gain"].to_numpy())),
    }
