"""Fresh goods from the lake: what the shop's tables say of them on the morning after the last day, and the demand fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from models.pricing.fresh import AHEAD, ESSENTIAL, FREE, LONGEST_LEAD, LONGEST_LIFE
from orchestration.fingerprints import fingerprint
from orchestration.fresh_diary import Diary, Ints, promotions_on, read_diary
from orchestration.fresh_fit import fit_fresh
from orchestration.fresh_orders import RECENT_DAYS, orders_of
from orchestration.fresh_shop import FreshFacts, FreshShop
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from sources.twin.books import Books

SOURCES = ("stores", "products", "prices", "inventory", "promotions")
NEEDED = frozenset(SOURCES)
REMEDY = f"a source with the tables {', '.join(SOURCES)} is needed"
NOTHING_FRESH = "no product with a shelf life of 30 days or less was on sale on the last day"
HISTORY_DAYS = 238
LEVEL_SHARE = 0.9  # quantile of a morning's stock that stands for the order level
CODE = tuple(f"orchestration/fresh_{part}.py" for part in ("lake", "diary", "orders", "fit", "shop"))


@dataclass(frozen=True)
class FreshMorning:
    """The morning of `day`: the shop with its fitted demand, its books, and names of the cells on sale (N,), `store|product`."""

    day: date
    shop: FreshShop
    books: "Books"
    names: tuple[str, ...]


def build_goods(workspace: Workspace) -> dict[str, Any]:
    """Write `features/fresh_goods`, a row a good, unless it was made from the very same; empty where nothing is fresh."""
    from models.pricing.fresh_data import empty_goods, goods_table
    from orchestration.pricing_settings import pricing_config

    lake = workspace.lake
    config = pricing_config(workspace.settings)
    inputs: dict[str, Any] = {table: lake.content_hash("clean", table) for table in SOURCES}
    made_from = fingerprint(code=CODE, inputs={**inputs, "essential": config.essential_categories})
    version = lake.version("features", "fresh_goods")
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        morning = this_morning(workspace, config.essential_categories)
        if morning is None:
            table = empty_goods()
        else:
            until = (morning.day - timedelta(days=1)).isoformat()
            table = goods_table(morning.names, morning.shop.goods(morning.books, morning.day), until)
        version = lake.write("features", "fresh_goods", table, fingerprint=made_from, sort_by=("good",))
    return {"rows": version.rows, "unchanged": unchanged, "content_hash": version.content_hash}


def this_morning(workspace: Workspace, essential: Sequence[str]) -> FreshMorning | None:
    """The morning after the last day of the lake; None where the source has nothing fresh."""
    import ibis
    import pyarrow.compute as pc

    if not workspace.source.tables >= NEEDED:
        return None
    lake = workspace.lake
    tables = {name: lake.arrow("clean", name) for name in ("stores", "products", "promotions")}
    products = tables["products"].filter(
        pc.less_equal(pc.fill_null(tables["products"]["shelf_life_days"], LONGEST_LIFE + 1), LONGEST_LIFE)
    )
    con = workspace.connect()
    fresh = products["product_id"].to_pylist()
    for name in ("prices", "inventory"):
        rows = lake.read("clean", name, con)
        last = rows["date"].max().as_scalar()
        recent = rows["date"] > last - ibis.interval(days=HISTORY_DAYS)
        tables[name] = rows.filter(rows["product_id"].isin(fresh) & recent).to_pyarrow()
    if not tables["prices"].num_rows or not tables["inventory"].num_rows:
        return None
    stores = sorted(tables["stores"]["store_id"].to_pylist())
    order = np.argsort(products["product_id"].to_numpy(zero_copy_only=False))
    products = products.take(order)
    diary = read_diary(tables, stores, products["product_id"].to_pylist())
    facts = facts_of(products, diary, essential)
    kinds = tuple(sorted(set(products["category"].to_pylist())))
    category = np.array([kinds.index(kind) for kind in products["category"].to_pylist()])
    shop = FreshShop(facts, fit_fresh(diary, category, kinds), before=diary.price[-1])
    day = diary.first + timedelta(days=len(diary.units))
    books = books_of(diary, facts, tables["promotions"], day)
    store, place = np.nonzero(books.on_sale)
    if not store.size:
        return None
    names = tuple(f"{diary.stores[s]}|{diary.products[p]}" for s, p in zip(store, place, strict=True))
    return FreshMorning(day, shop, books, names)


def facts_of(products: "pa.Table", diary: Diary, essential: Sequence[str]) -> FreshFacts:
    """Facts of the diary's products; how often they are ordered is told by how often they came."""
    life, lead = (
        np.asarray(products[name].to_numpy(), dtype=np.int64) for name in ("shelf_life_days", "lead_time_days")
    )
    came, sold = (np.nansum(each[-RECENT_DAYS:] > 0, axis=(0, 1)) for each in (diary.received, diary.units))
    # Slow goods come seldom because they sell seldom: a delivery a day of sales is a delivery whenever one is due.
    gap = np.clip(np.round(sold / np.maximum(came, 1)), 1, 7)
    kinds = products["category"].to_pylist()
    return FreshFacts(
        number=np.arange(len(life)),
        life=life,
        lead=np.clip(lead, 1, LONGEST_LEAD),
        every=gap.astype(np.int64),
        cost=np.asarray(products["unit_cost"].to_numpy(), dtype=np.float64),
        disposal=np.zeros(len(life)),
        ceiling=np.array([ESSENTIAL if kind in set(essential) else FREE for kind in kinds]),
    )


def books_of(diary: Diary, facts: FreshFacts, promotions: "pa.Table", day: date) -> "Books":
    """The morning's books: what was left over night by age, oldest sold first, and the open orders as deliveries tell them."""
    from sources.twin.books import Books

    received, left = (np.nan_to_num(each).astype(np.int64) for each in (diary.received, diary.closing))
    closing = left[-1]
    aged = by_age(received, closing, int(facts.life.max()))
    met = np.where(np.isfinite(diary.closing), np.nan_to_num(diary.closing) + np.nan_to_num(diary.units), np.nan)
    seen = np.isfinite(met[-RECENT_DAYS:]).any(axis=0)
    level = np.zeros(closing.shape)
    level[seen] = np.nanquantile(met[-RECENT_DAYS:][:, seen], LEVEL_SHARE, axis=0)
    levels = np.maximum(np.ceil(level), 0).astype(np.int64)
    orders = orders_of(received, left, levels, every=facts.every, lead=facts.lead)
    aged[:, :, 0] += orders.today
    return Books(
        on_sale=np.isfinite(diary.price[-1]) & np.isfinite(diary.closing[-1]),
        stock=aged,
        coming=orders.tomorrow,
        levels=levels,
        wait=orders.wait,
        base=diary.base[-1],
        discount=promotions_on(promotions, diary, day, AHEAD),
    )


def by_age(received: Ints, closing: Ints, ages: int) -> Ints:
    """Units (S, P, ages) left on the morning after, by days on the shelf: what is left is of the newest deliveries (D, S, P),
    for the oldest go first."""
    left, found = closing.copy(), np.zeros((*closing.shape, ages), dtype=np.int64)
    for days in range(1, ages):
        came = received[-days] if days <= len(received) else np.zeros_like(closing)
        found[:, :, days] = np.minimum(came, left)
        left = left - found[:, :, days]
    found[:, :, ages - 1] += left  # older than is known
    return found
