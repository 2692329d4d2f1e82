"""Each morning's prices of fresh goods by the champion: proposals that a person or the service's approval mode decides on."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.fingerprints import fingerprint
from orchestration.fresh_lake import CODE, NEEDED, NOTHING_FRESH, REMEDY, FreshMorning, this_morning
from orchestration.pricing_settings import MODEL, pricing_config
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from models.pricing.fresh_predict import FreshPredictor

TABLE = "price_proposals"
REFERENCE_DAYS = 30  # Directive (EU) 2019/2161: a discount is shown against the lowest price of that time
NONE_KNOWN = "the champion knows none of today's fresh goods; train a challenger on them: `storeloop run group:pricing`"
NO_CHAMPION = "no version passed the promotion gate yet; see `storeloop models pricing`"


def propose_prices(workspace: Workspace) -> dict[str, Any]:
    """Write `features/price_proposals`, a row a good the champion knows, unless it was made from the very same."""
    from models.pricing.predict import load

    if not workspace.source.tables >= NEEDED:
        return not_provided(REMEDY)
    champion, lake = workspace.registry.champion(MODEL), workspace.lake
    if champion is None:
        return not_provided(NO_CHAMPION)
    made_from = fingerprint(
        code=("orchestration/price_proposals.py", *CODE, "models/pricing"),
        inputs={"champion": champion.artifact_id, "goods": lake.content_hash("features", "fresh_goods")},
    )
    version = lake.version("features", TABLE)
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        morning = this_morning(workspace, pricing_config(workspace.settings).essential_categories)
        if morning is None:
            return not_provided(NOTHING_FRESH)
        predictor = load(champion.folder).fresh
        if not set(predictor.spec.goods) & set(morning.names):
            return not_provided(NONE_KNOWN)
        rows = proposed(predictor, morning, _lowest(workspace, morning))
        version = lake.write("features", TABLE, rows, fingerprint=made_from, sort_by=("store_id", "product_id"))
    rows = lake.arrow("features", TABLE)
    return {
        "rows": version.rows,
        "champion": champion.version,
        "unchanged": unchanged,
        "content_hash": version.content_hash,
        **_told(rows),
    }


def proposed(predictor: "FreshPredictor", morning: FreshMorning, lowest: dict[str, float]) -> "pa.Table":
    """store_id, product_id, date, list_price, price, wanted, rule, gain, reference (null: no discount may be shown), units in
    stock and expected today at list price."""
    import numpy as np
    import pyarrow as pa

    from models.pricing.fresh_predict import FreshInput

    at, store, place = morning.shop.morning(morning.books, morning.day)
    known = np.flatnonzero([name in predictor.spec.goods for name in morning.names])
    names = [morning.names[row] for row in known]
    listed = morning.books.base[store, place][known]
    ages = predictor.goods.ages
    stock = at.stock[known][:, :ages]
    asked = FreshInput(
        good=names,
        list_price=listed,
        stock=np.where(np.arange(stock.shape[1]) < predictor.life_of(names)[:, None], stock, 0),
        before=np.round(at.before[known] * listed, 2),
        weekday=at.weekday[known],
        coming=at.coming[known],
        wait=at.wait[known],
        expected=at.mean[known],
        up_to=at.up_to[known],
        lowest=np.array([lowest.get(name, 0.01) for name in names]),
    )
    reply = predictor.predict(asked)
    cells = [name.split("|", 1) for name in names]
    return pa.table(
        {
            "store_id": [cell[0] for cell in cells],
            "product_id": [cell[1] for cell in cells],
            "date": pa.array([morning.day] * len(names), pa.date32()),
            "list_price": listed,
            "price": reply.price,
            "wanted": np.round(reply.wanted, 4),
            "rule": pa.array([rule or None for rule in reply.rule.tolist()], pa.string()),
            "gain": reply.gain,
            "reference": pa.array(reply.reference, from_pandas=True),
            "stock_units": stock.sum(axis=1),
            "forecast_units": at.mean[known, 0],
        }
    )


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
        "expected_gain": float(np.asarray(rows["gain"].to_numpy()).sum()),
    }
