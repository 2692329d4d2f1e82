"""What data stewards type: `quarantine list|show|release|reject|log|serve` and `contracts list|show`."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from data_checks.decisions import Decision, Verdict

TableArgument = Annotated[str, typer.Argument(help="Table, as `list` names it.")]
RuleOption = Annotated[str | None, typer.Option("--rule", help="Every row that breaks this rule now.")]
RowOption = Annotated[list[str] | None, typer.Option("--row", help="One row by its key; repeat for more.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every row of the table.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded.")]
WhoOption = Annotated[str, typer.Option("--as", help="Who decides; recorded.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")]


def build_app(home: Callable[[], Path]) -> typer.Typer:
    """The commands of the quarantine; `home` says, when a command runs, under which folder it lies.

    Bad input raises ValueError with the remedy: the caller's `main` prints it.
    """
    app = typer.Typer(no_args_is_help=True, help="Rows that failed their contract, and what was decided on them.")
    _add_reading(app, home)
    _add_deciding(app, home)
    return app


def _add_reading(app: typer.Typer, home: Callable[[], Path]) -> None:
    @app.command("list")
    def list_tables(as_json: JsonOption = False) -> None:
        """Tables with their rows by status and by broken rule."""
        from data_checks.quarantine import Quarantine

        summaries = Quarantine(home()).summaries()
        if as_json:
            _print_json([vars(summary) for summary in summaries])
            return
        table = _table("Quarantine", "!table", ">open", ">held", ">released", ">rejected", ">gone", "open by rule")
        for one in summaries:
            by_rule = "\n".join(f"{rule} {rows:,}" for rule, rows in one.open_by_rule.items()) or "-"
            rows = [f"{one.rows[status]:,}" for status in ("released", "rejected", "gone")]
            _add(table, one.table, f"{one.rows['open']:,}", f"{one.held:,}", *rows, by_rule)
        _print(table, empty="No table has been judged yet.")

    @app.command()
    def show(
        table: TableArgument,
        rule: RuleOption = None,
        status: Annotated[str, typer.Option(help="open, released, rejected or gone.")] = "open",
        limit: LimitOption = 20,
        as_json: JsonOption = False,
    ) -> None:
        """Rows of one table with the rules they break and what was delivered."""
        from data_checks.contracts import contract_names, load_contract
        from data_checks.page_rendering import view_row
        from data_checks.quarantine import Quarantine

        rows = Quarantine(home()).rows(table, rule=rule, status=status)  # type: ignore[arg-type] # checked inside
        shown = rows.select(["_row_key", "status", "held", "rules", "raw"]).slice(0, limit).to_pylist()
        if as_json:
            _print_json({"table": table, "rows": rows.num_rows, "shown": [_as_delivered(row) for row in shown]})
            return
        contract = load_contract(table) if table in contract_names() else None
        drawn = _table(f"{table}: {rows.num_rows:,} {status} rows", "row", "held", "why it fails", "as delivered")
        for row in shown:
            view = view_row(row["_row_key"], row["rules"], row["raw"], contract)
            why = "\n".join(f"{reason.text} ({reason.rule_id})" for reason in view.reasons)
            delivered = "\n".join(f"{name}: {'' if value is None else value}" for name, value in view.fields.items())
            _add(drawn, view.row_key, "yes" if row["held"] else "no", why, delivered)
        _print(drawn, empty=f"{table}: no {status} row.")
        if rows.num_rows > len(shown):
            typer.echo(f"{rows.num_rows - len(shown):,} more: raise --limit, or narrow by --rule.")

    @app.command()
    def log(
        table: Annotated[str | None, typer.Argument(help="Table; all of them if left out.")] = None,
        limit: LimitOption = 50,
        as_json: JsonOption = False,
    ) -> None:
        """Who decided what, when and why, newest first."""
        from data_checks.quarantine import Quarantine

        quarantine = Quarantine(home())
        tables = [table] if table else quarantine.tables()
        decisions = sorted((one for name in tables for one in quarantine.log(name)), key=lambda one: one.when)[::-1]
        if as_json:
            _print_json([one.headline() for one in decisions[:limit]])
            return
        drawn = _table("Decisions", "!number", "!when", "who", "!verdict", "on", ">rows", "reason")
        for one in decisions[:limit]:
            when = one.when[:16].replace("T", " ")
            _add(drawn, one.decision_id, when, one.who, one.verdict, _scope(one), f"{one.rows:,}", one.reason)
        _print(drawn, empty="Nobody has decided anything yet.")

    @app.command("serve")
    def serve_page(port: Annotated[int, typer.Option(min=1024, max=65535)] = 8800) -> None:
        """The steward's page and the validation site on loopback, until interrupted."""
        from data_checks.steward import serve

        typer.echo(f"Validation site and quarantine: http://127.0.0.1:{port}  (Ctrl-C stops it)")
        serve(home(), port=port)


def _add_deciding(app: typer.Typer, home: Callable[[], Path]) -> None:
    @app.command()
    def release(
        table: TableArgument,
        *,
        reason: ReasonOption,
        who: WhoOption,
        rule: RuleOption = None,
        row: RowOption = None,
        every_row: AllOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Let rows go on in the next run although they break a rule."""
        _decide("release", table, rule=rule, row=row, every_row=every_row, reason=reason, who=who, as_json=as_json)

    @app.command()
    def reject(
        table: TableArgument,
        *,
        reason: ReasonOption,
        who: WhoOption,
        rule: RuleOption = None,
        row: RowOption = None,
        every_row: AllOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Confirm that rows are wrong: they stay out and no longer count as failing."""
        _decide("reject", table, rule=rule, row=row, every_row=every_row, reason=reason, who=who, as_json=as_json)

    def _decide(
        verdict: "Verdict",
        table: str,
        *,
        rule: str | None,
        row: list[str] | None,
        every_row: bool,
        reason: str,
        who: str,
        as_json: bool,
    ) -> None:
        from data_checks.quarantine import Quarantine

        decision = Quarantine(home()).decide(
            table, verdict=verdict, reason=reason, who=who, row_keys=row or None, rule=rule, every_row=every_row
        )
        if as_json:
            _print_json(decision.headline())
            return
        done = "released" if verdict == "release" else "rejected"
        typer.echo(
            f"{decision.rows:,} rows of {table} {done}, recorded as {decision.decision_id}; the next run honours it."
        )
        if decision.overrules:
            typer.echo(f"{decision.overrules:,} earlier verdicts were overruled.")


def build_contracts_app() -> typer.Typer:
    """The commands that read contracts."""
    app = typer.Typer(no_args_is_help=True, help="What each table promises.")

    @app.command("list")
    def list_contracts(as_json: JsonOption = False) -> None:
        """All contracts."""
        from data_checks.contracts import load_contracts

        contracts = load_contracts().values()
        if as_json:
            names = ("name", "title", "version", "owner")
            _print_json([{name: getattr(contract, name) for name in names} for contract in contracts])
            return
        table = _table("Contracts", "!contract", "about", "owner", "version", ">columns", ">rules")
        for one in contracts:
            _add(table, one.name, one.title, one.owner, one.version, str(len(one.columns)), str(len(one.rules)))
        _print(table, empty="There is no contract.")

    @app.command("show")
    def show_contract(
        name: Annotated[str, typer.Argument(help="Contract, as `list` names it.")], as_json: JsonOption = False
    ) -> None:
        """One contract: its columns, its rules and what it tolerates."""
        from dataclasses import asdict

        from data_checks.charts import percent
        from data_checks.contracts import load_contract
        from data_checks.docs_site import contract_facts

        contract = load_contract(name)
        if as_json:
            _print_json({key: value for key, value in asdict(contract).items() if key != "text"})
            return
        facts = _table(f"{contract.name}: {contract.title}", "", "")
        for label, text in contract_facts(contract):
            _add(facts, label, text)
        columns = _table("Columns", "!column", "type", "unit", "null allowed", "known ahead", "meaning")
        for column in contract.columns:
            named = f"{column.name} (key)" if column.name in contract.primary_key else column.name
            nullable = "no" if column.required else "yes"
            _add(columns, named, column.type, column.unit or "-", nullable, column.known_ahead, column.description)
        rules = _table("Rules", "rule", "meaning", "holds rows back", ">tolerated")
        for rule in contract.rules:
            _add(
                rules,
                rule.rule_id,
                rule.description,
                "yes" if rule.quarantines else "no",
                percent(rule.tolerated_fraction),
            )
        for table in (facts, columns, rules):
            _print(table, empty="")

    return app


def _scope(decision: "Decision") -> str:
    return {"rule": f"rule {decision.rule}", "rows": "named rows", "all": "all rows"}[decision.scope]


def _as_delivered(row: dict[str, Any]) -> dict[str, Any]:
    try:
        raw = json.loads(row["raw"])
    except ValueError:
        raw = row["raw"]
    return {"row_key": row["_row_key"], "status": row["status"], "held": row["held"], "rules": row["rules"], "raw": raw}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=list))


def _table(title: str, *columns: str) -> "Table":
    """A table whose `>` columns hold figures and whose `!` columns are never broken over lines."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        kind, name = (column[0], column[1:]) if column.startswith((">", "!")) else ("", column)
        table.add_column(name, justify="right" if kind == ">" else "left", no_wrap=bool(kind), overflow="fold")
    return table


def _add(table: "Table", *cells: str) -> None:
    """A row of plain text: rows are written by strangers, so neither markup nor terminal codes in them may act."""
    from rich.text import Text

    table.add_row(*(Text(_printable(cell)) for cell in cells))


def _printable(text: str) -> str:
    characters: Iterable[str] = (c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    return "".join(characters)


def _print(table: "Table", *, empty: str) -> None:
    from rich.console import Console

    if table.row_count:
        Console().print(table)
    elif empty:
        typer.echo(empty)
