"""Whether a shop's three books agree by shop and day, to the cent and to the package: the ledger, whose entries are hashed again
under its signed heads, the bills in the lake, and the stock movements in the lake."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from serving.settlement.ledger_store import LedgerStore
    from serving.settlement.notes import TrustedKey

LAND_AGAIN = (
    "land the log again (`storeloop run group:shop`); if it stays, its log has lost it: tell it from the ledger"
)
LOOK = "the ledger holds, the lake is wrong: read `storeloop quarantine list`, then make the day anew"
NOBODY_SIGNED = "nobody has signed it: find out who wrote it, and take it out of the lake"
FORGED = "run `storeloop ledger audit`, and restore the ledger from a copy"
WRONG_SUM = "its till sums wrongly: mend it, and correct the bill by an entry of its own"
BILLING = frozenset({"bill", "correction"})  # kinds of entries
_ENTRIES = (
    "entry_id",
    "shop",
    "visit_id",
    "version",
    "left_on",
    "currency",
    "total_cents",
    "due_cents",
    "leaf_index",
    "entry_hash",
)


@dataclass(frozen=True, eq=False)
class Ledgered:
    """What the ledger holds, as hashed: `entries` (columns of `shop_bills`), `lines` (entry_id, product_id, packages, cents), and
    what its audit found wrong."""

    entries: "pa.Table"
    lines: "pa.Table"
    problems: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """Where the books differ: of which entry (empty: of the day, or of the ledger as a whole), how, and what to do."""

    day: date | None
    shop: str
    entry_id: str
    said: str
    remedy: str

    def __str__(self) -> str:
        what = " ".join(part for part in (str(self.day or ""), self.shop, self.entry_id) if part)
        return f"{what or 'ledger'}: {self.said}; {self.remedy}"


@dataclass(frozen=True)
class DayBalance:
    """A day of a shop in the three books; packages are those that left less those that came back."""

    day: date
    shop: str
    entries: int
    bills: int
    ledger_cents: int
    bills_cents: int
    movements_cents: int
    ledger_packages: int
    movements_packages: int
    in_review: int


@dataclass(frozen=True)
class Reconciliation:
    """By day what each book says, and every difference. `waiting` entries are newer than any that landed: they are in no day, and
    differ once something newer has landed without them."""

    days: Sequence[DayBalance]
    findings: Sequence[Finding]
    waiting: int

    @property
    def balanced(self) -> bool:
        """Whether there is none."""
        return not self.findings


def reconcile(
    ledger: Ledgered, lake: "Mapping[str, pa.Table]", *, day: date | None = None, before: date | None = None
) -> Reconciliation:
    """Compare the ledger with the four tables of `data_checks.contracts.SHOP_TABLES`. `day`: that one alone; `before`: those that
    are over. Whatever is wrong with the ledger itself is told in any case."""
    import duckdb

    with duckdb.connect() as con:
        for name, table in {"ledger_entries": ledger.entries, "ledger_lines": ledger.lines, **lake}.items():
            con.register(name, table)
        con.execute(_VIEWS)
        wanted = "WHERE ($day IS NULL OR left_on = $day) AND ($before IS NULL OR left_on < $before)"
        asked = {"day": day, "before": before}

        def rows(view: str) -> list[tuple[Any, ...]]:
            return con.execute(f"SELECT * FROM {view} {wanted} ORDER BY ALL", asked).fetchall()  # noqa: S608 - names of ours

        balances = [DayBalance(*row) for row in rows("balances")]
        absent = {(each.day, each.shop) for each in balances if each.entries and not each.bills}
        found = [Finding(None, "", "", problem, FORGED) for problem in ledger.problems]
        found += [_absent(each) for each in balances if (each.day, each.shop) in absent]
        found += map(_of_sums, rows("wrong_sums"))
        for told in (map(_of_bill, rows("bill_rows")), map(_of_product, rows("product_rows"))):
            found += [each for each in told if (each.day, each.shop) not in absent]
        waiting = len(rows("waiting"))
    return Reconciliation(balances, found, waiting)


def read_ledger(store: "LedgerStore", keys: "Sequence[TrustedKey]", origin: str) -> Ledgered:
    """Every entry, hashed again; those that cannot be read are among the problems."""
    import pyarrow as pa

    from data_checks.contracts import load_contract
    from serving.settlement.audit import audit
    from serving.settlement.entries import Entry, EntryError
    from serving.settlement.tree import leaf_hash

    report = audit(store, keys, origin=origin)
    problems = [*report.problems, *([f"and {report.more_problems} more"] if report.more_problems else [])]
    entries, lines = [], []
    for row in store.rows():
        try:
            entry = Entry.of(row.content)
        except EntryError:
            continue
        if entry.kind not in BILLING:  # whatever else a ledger holds moves no goods
            continue
        body, bill = entry.body, entry.body["bill"]
        left = datetime.fromisoformat(body["left"]).astimezone(UTC).date()
        told = (entry.entry_id, body["shop"], body["visit"], body["version"], left, bill["currency"])
        told += (bill["total_cents"], body["due_cents"], row.number - 1, leaf_hash(row.content).hex())
        entries.append(dict(zip(_ENTRIES, told, strict=True)))
        lines += [
            {
                "entry_id": entry.entry_id,
                "product_id": line["product"],
                "packages": line["count"],
                "cents": line["cents"],
            }
            for line in bill["lines"]
        ]
    of_bills, of_lines = load_contract("shop_bills").arrow_schema(), load_contract("shop_bill_lines").arrow_schema()
    columns = ("entry_id", "product_id", "packages", "cents")
    return Ledgered(
        pa.Table.from_pylist(entries, schema=pa.schema([of_bills.field(name) for name in _ENTRIES])),
        pa.Table.from_pylist(lines, schema=pa.schema([of_lines.field(name) for name in columns])),
        problems,
    )


def reconcile_shop(
    workspace: Workspace, *, day: date | None = None, before: date | None = None
) -> Reconciliation | None:
    """The ledger of a workspace against its lake; None where no shop has told anything: there is no log, and neither lake nor
    ledger hold a row. A ledger that is gone is a finding, and so is one whose log is."""
    from data_checks.contracts import SHOP_TABLES, load_contract
    from serving.settlement.ledger_settings import LedgerSettings, has_store, open_store, trusted_keys
    from serving.settlement.shop_settings import ShopSettings, has_log

    lake, settings = workspace.lake, LedgerSettings()
    there = [table for table in SHOP_TABLES if lake.version("clean", table) is not None]
    told = has_log(ShopSettings(), workspace.root) or any(lake.arrow("clean", name).num_rows for name in there)
    if not told and not has_store(settings, workspace.root):
        return None
    tables = {name: lake.arrow("clean", name) if name in there else load_contract(name).empty() for name in SHOP_TABLES}
    try:
        store = open_store(settings, workspace.root, read_only=True)
        if not told and next(iter(store.rows(1, 1)), None) is None:
            return None
        ledger = read_ledger(store, trusted_keys(settings, workspace.root), settings.origin)
    except (OSError, RuntimeError, ValueError) as error:
        nothing = {name: load_contract(name).empty() for name in ("shop_bills", "shop_bill_lines")}
        ledger = Ledgered(nothing["shop_bills"], nothing["shop_bill_lines"], [str(error)])
    return reconcile(ledger, tables, day=day, before=before)


def report(found: Reconciliation, most: int = 20) -> Iterator[str]:
    """Days and findings in Markdown, of the latter the first `most`."""
    yield "| day | shop | entries | bills | ledger | bills | movements | packages | moved | in review |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for each in found.days:
        cents = (f"{amount / 100:.2f}" for amount in (each.ledger_cents, each.bills_cents, each.movements_cents))
        parts = (each.day, each.shop, each.entries, each.bills, *cents, each.ledger_packages, each.movements_packages)
        yield f"| {' | '.join(map(str, (*parts, each.in_review)))} |"
    if found.waiting:
        yield f"\n{found.waiting} entries are newer than what landed."
    yield from (f"\n- {each}" for each in found.findings[:most])
    if len(found.findings) > most:
        yield f"\n- and {len(found.findings) - most} more: `storeloop shop reconcile --json`"


def _absent(each: DayBalance) -> Finding:
    said = f"none of its {each.entries} entries over {each.ledger_cents} cents is among the bills"
    return Finding(each.day, each.shop, "", said, LAND_AGAIN)


def _of_bill(row: tuple[Any, ...]) -> Finding:
    day, shop, entry_id, due, told, times, differs = row
    if due is None:
        return Finding(day, shop, entry_id, f"a bill over {told} cents is not in the ledger", NOBODY_SIGNED)
    if told is None:
        return Finding(day, shop, entry_id, f"the ledger makes {due} cents due, the bills lack it", LAND_AGAIN)
    if times > 1:
        return Finding(day, shop, entry_id, f"the bills have it {times} times: {told} cents instead of {due}", LOOK)
    return Finding(day, shop, entry_id, f"the bills make {told} cents due, the ledger {due} ({differs} differ)", LOOK)


def _of_sums(row: tuple[Any, ...]) -> Finding:
    day, shop, entry_id, due, moved, total, lines = row
    said = f"the ledger makes {due} cents due of {total}, what it moves and its lines make {moved} of {lines}"
    return Finding(day, shop, entry_id, said, WRONG_SUM)


def _of_product(row: tuple[Any, ...]) -> Finding:
    day, shop, entry_id, book, product, cents, packages, told_cents, told_packages, known = row
    said = f"{book} of {product!r}: {told_packages} packages, {told_cents} cents; in the ledger {packages}, {cents}"
    return Finding(day, shop, entry_id, said, LOOK if known else NOBODY_SIGNED)


_VIEWS = """
-- A till settles while the books are balanced: what it signed after all that landed is not missing yet.
CREATE VIEW waiting AS
    SELECT * FROM ledger_entries
    WHERE leaf_index > (SELECT max(leaf_index) FROM ledger_entries SEMI JOIN shop_bills USING (entry_id));
CREATE VIEW ledger AS SELECT * FROM ledger_entries ANTI JOIN waiting USING (entry_id);
CREATE VIEW billed AS
    SELECT entry_id, count(*) AS times, any_value(shop) AS shop, min(left_on) AS left_on, any_value(currency) AS currency,
        sum(due_cents) AS due_cents, sum(total_cents) AS total_cents,
        any_value(entry_hash) AS entry_hash, min(leaf_index) AS leaf_index
    FROM shop_bills GROUP BY entry_id;
CREATE VIEW bill_rows AS
    SELECT coalesce(l.left_on, b.left_on) AS left_on, coalesce(l.shop, b.shop) AS shop, coalesce(l.entry_id, b.entry_id) AS entry_id,
        l.due_cents AS due, b.due_cents AS told, b.times,
        concat_ws(', ', CASE WHEN l.due_cents <> b.due_cents THEN 'due cents' END,
            CASE WHEN l.total_cents <> b.total_cents THEN 'total cents' END, CASE WHEN l.left_on <> b.left_on THEN 'days' END,
            CASE WHEN l.shop <> b.shop THEN 'shops' END, CASE WHEN l.currency <> b.currency THEN 'currencies' END,
            CASE WHEN l.leaf_index <> b.leaf_index THEN 'places' END,
            CASE WHEN l.entry_hash <> b.entry_hash THEN 'hashes' END) AS differs
    FROM ledger AS l FULL JOIN billed AS b ON l.entry_id = b.entry_id
    WHERE l.entry_id IS NULL OR b.entry_id IS NULL OR b.times > 1 OR differs <> '';
-- What an entry moves is its bill less the one before it.
CREATE VIEW ledger_moves AS
    WITH lines AS (SELECT l.shop, l.visit_id, l.version, x.product_id, x.packages, x.cents
        FROM ledger_lines AS x JOIN ledger AS l ON l.entry_id = x.entry_id),
    steps AS (SELECT * FROM lines UNION ALL
        SELECT shop, visit_id, version + 1, product_id, -packages, -cents FROM lines)
    SELECT l.entry_id, s.product_id, sum(s.packages) AS packages, sum(s.cents) AS cents
    FROM steps AS s JOIN ledger AS l ON (l.shop, l.visit_id, l.version) = (s.shop, s.visit_id, s.version)
    GROUP BY ALL;
CREATE VIEW wrong_sums AS
    WITH sums AS (SELECT l.left_on, l.shop, l.entry_id, l.due_cents, coalesce(m.cents, 0) AS moved, l.total_cents,
            coalesce(x.cents, 0) AS lines
        FROM ledger AS l LEFT JOIN (SELECT entry_id, sum(cents) AS cents FROM ledger_moves GROUP BY entry_id) AS m USING (entry_id)
        LEFT JOIN (SELECT entry_id, sum(cents) AS cents FROM ledger_lines GROUP BY entry_id) AS x USING (entry_id))
    SELECT * FROM sums WHERE due_cents <> moved OR total_cents <> lines;
CREATE VIEW product_rows AS
    WITH books AS (
        SELECT 'line' AS book, entry_id, product_id, sum(packages) AS packages, sum(cents) AS cents, 'ledger' AS of FROM ledger_lines
        GROUP BY ALL
        UNION ALL SELECT 'line', entry_id, product_id, sum(packages), sum(cents), 'lake' FROM shop_bill_lines GROUP BY ALL
        UNION ALL SELECT 'movement', entry_id, product_id, packages, cents, 'ledger' FROM ledger_moves
        UNION ALL SELECT 'movement', entry_id, product_id, -sum(packages), sum(value_cents), 'lake' FROM stock_movements
        GROUP BY entry_id, product_id),
    sides AS (SELECT book, entry_id, product_id,
            coalesce(sum(cents) FILTER (of = 'ledger'), 0) AS cents, coalesce(sum(packages) FILTER (of = 'ledger'), 0) AS packages,
            coalesce(sum(cents) FILTER (of = 'lake'), 0) AS told_cents,
            coalesce(sum(packages) FILTER (of = 'lake'), 0) AS told_packages
        FROM books GROUP BY ALL),
    told AS (SELECT entry_id, any_value(shop) AS shop, min(left_on) AS left_on
        FROM (SELECT entry_id, shop, left_on FROM stock_movements UNION ALL SELECT entry_id, shop, left_on FROM shop_bill_lines)
        GROUP BY entry_id)
    SELECT coalesce(l.left_on, t.left_on) AS left_on, coalesce(l.shop, t.shop) AS shop, s.entry_id, book, product_id, cents, packages,
        told_cents, told_packages, l.entry_id IS NOT NULL AS known
    FROM sides AS s LEFT JOIN ledger AS l ON l.entry_id = s.entry_id LEFT JOIN told AS t ON t.entry_id = s.entry_id
    WHERE (cents <> told_cents OR packages <> told_packages) AND s.entry_id NOT IN (SELECT entry_id FROM waiting)
        AND (l.entry_id IS NULL OR s.entry_id IN (SELECT entry_id FROM shop_bills));
CREATE VIEW balances AS
    WITH parts AS (
        SELECT left_on, shop, 1 AS entries, 0 AS bills, due_cents AS ledger_cents, 0 AS bills_cents, 0 AS movements_cents,
            0 AS ledger_packages, 0 AS movements_packages, 0 AS in_review FROM ledger
        UNION ALL SELECT left_on, shop, 0, 1, 0, due_cents, 0, 0, 0, 0 FROM shop_bills
        UNION ALL SELECT left_on, shop, 0, 0, 0, 0, value_cents, 0, -packages, 0
            FROM stock_movements ANTI JOIN waiting USING (entry_id)
        UNION ALL SELECT l.left_on, l.shop, 0, 0, 0, 0, 0, m.packages, 0, 0
            FROM ledger_moves AS m JOIN ledger AS l ON l.entry_id = m.entry_id
        UNION ALL SELECT left_on, shop, 0, 0, 0, 0, 0, 0, 0, 1
            FROM (SELECT * FROM shop_reviews QUALIFY row_number() OVER (PARTITION BY review_id ORDER BY log_offset DESC) = 1)
            WHERE open)
    SELECT left_on, shop, sum(COLUMNS(* EXCLUDE (left_on, shop)))::BIGINT FROM parts GROUP BY left_on, shop;
"""
