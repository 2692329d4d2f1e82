"""`storeloop experiment`: plan, assign, check and read experiments, in words a product manager can act on."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.common.report import Report
    from models.experiments.config import Config

app = typer.Typer(no_args_is_help=True, add_completion=False)

TABLES = ("assignments", "outcomes", "covariates")
ANALYSIS_SEED = 20_250_301  # fixed, so that the same tables always give the same report; it deals the placebo's arms
AlphaOption = Annotated[float, typer.Option(help="How often equal arms may be called different.")]


@app.callback()
def experiment() -> None:
    """Is B better than A? Plan it, deal the arms, check the shares, read the answer whenever you like."""


@app.command()
def assign(
    name: Annotated[str, typer.Argument(help="Name of the experiment; it salts the hash, so never use one twice.")],
    units: Annotated[list[str] | None, typer.Argument(help="Ids of units, such as customers.")] = None,
    arm: Annotated[
        list[str] | None, typer.Option(help="NAME=SHARE, once an arm, control first; default A=B=0.5.")
    ] = None,
    ramp: Annotated[float, typer.Option(help="Share of units that take part; raising it moves no unit's arm.")] = 1.0,
    file: Annotated[Path | None, typer.Option(help="CSV or Parquet with a column `unit_id`.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write experiment, unit_id, arm as CSV here.")] = None,
) -> None:
    """The arm of each unit: always the same, on any machine. Units outside the ramp are left out."""
    from models.experiments.assignment import OUTSIDE
    from models.experiments.assignment import assign as deal

    shares = _named_numbers(arm or ["A=0.5", "B=0.5"], "arm")
    ids = list(units or [])
    if file is not None:
        ids += [str(value) for value in _column(_read(file), "unit_id", file)]
    if not ids:
        raise ValueError("0 units: give ids as arguments, or a file with a column unit_id")
    names = list(shares)
    dealt = deal(ids, name, tuple(shares.values()), ramp=ramp)
    rows = [(name, unit, names[index]) for unit, index in zip(ids, dealt.tolist(), strict=True) if index != OUTSIDE]
    if out is None:
        for row in rows:
            typer.echo("\t".join(row))
        return
    import pyarrow as pa
    from pyarrow import csv

    out.parent.mkdir(parents=True, exist_ok=True)
    columns = {key: [row[place] for row in rows] for place, key in enumerate(("experiment", "unit_id", "arm"))}
    csv.write_csv(pa.table(columns), out)
    typer.echo(f"{len(rows)} of {len(ids)} units take part: {out}")


@app.command()
def srm(
    counts: Annotated[list[str], typer.Argument(help="NAME=UNITS of every arm, such as A=50210 B=49790.")],
    share: Annotated[list[str] | None, typer.Option(help="NAME=SHARE planned; default: equal.")] = None,
    alpha: AlphaOption = 0.001,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Did the units arrive in the planned shares? If not, no effect may be read. Exit code 1 if they did not."""
    import numpy as np

    from models.experiments.sample_ratio import check_ratio

    found = _named_numbers(counts, "counts")
    planned = _named_numbers(share, "share") if share else dict.fromkeys(found, 1 / len(found))
    if planned.keys() != found.keys():
        raise ValueError(f"share: arms {list(planned)}, counts: arms {list(found)}: name the same arms")
    check = check_ratio(np.array(list(found.values())), np.array([planned[name] for name in found]))
    alarm = check.alarm(alpha)
    if as_json:
        body = {"p_always": float(check.p_always[-1]), "p_fixed": check.p_fixed, "chi_square": check.chi_square}
        typer.echo(json.dumps({**body, "alarm": alarm}, indent=1))
    else:
        expected = ", ".join(f"{name} {count:,.0f}" for name, count in zip(found, check.expected, strict=True))
        seen = ", ".join(f"{name} {count:,.0f}" for name, count in found.items())
        word = "Something other than chance sorted the units: do not read the effect" if alarm else "No sign of trouble"
        typer.echo(
            f"{word}. Found {seen}; planned {expected}. p = {check.p_always[-1]:.2g} however often you look, "
            f"{check.p_fixed:.2g} (chi-square) if you look once."
        )
    if alarm:
        raise typer.Exit(1)


@app.command()
def power(
    mean: Annotated[float, typer.Option(help="The metric's level today, per unit.")],
    deviation: Annotated[float, typer.Option(help="Standard deviation of the metric between units.")],
    lift: Annotated[float | None, typer.Option(help="Smallest change worth finding, percent of the mean.")] = None,
    units: Annotated[int | None, typer.Option(min=2, help="Units there are: what change could be found?")] = None,
    share: Annotated[float, typer.Option(help="Share of units in the treated arm.")] = 0.5,
    rho: Annotated[float, typer.Option(help="Correlation of the metric with the same units' past (CUPED).")] = 0.0,
    units_per_day: Annotated[float | None, typer.Option(help="New units a day, both arms together.")] = None,
    window_days: Annotated[int, typer.Option(min=1, help="Days that a unit is observed.")] = 7,
    alpha: AlphaOption = 0.05,
    chance: Annotated[float, typer.Option(help="Probability with which the change is to be found.")] = 0.8,
) -> None:
    """Before the start: units for a change of --lift percent, or the change that --units could find."""
    from rich.console import Console
    from rich.table import Table

    from models.experiments.power import detectable, plan

    if (lift is None) == (units is None) or not mean > 0:
        raise ValueError(f"lift {lift}, units {units}, mean {mean}: give one of --lift and --units, and a mean above 0")
    table = Table(title=f"to find it in {chance:.0%} of cases, false alarms in {alpha:.0%}")
    table.add_column("how you read it")
    if units is not None:
        table.add_column("smallest change found", justify="right")
        for always, reading in ((False, "once, at the end"), (True, "whenever you like")):
            effect = detectable(
                deviation=deviation, units=units, share=share, rho=rho, alpha=alpha, power=chance, always_valid=always
            )
            table.add_row(reading, f"{100 * effect / mean:.2f} % of the mean")
    else:
        wanted = plan(
            deviation=deviation,
            effect=mean * (lift or 0.0) / 100,
            share=share,
            rho=rho,
            alpha=alpha,
            power=chance,
            units_per_day=units_per_day,
            window_days=window_days,
        )
        table.add_column("units, all arms", justify="right")
        table.add_column("days", justify="right")
        table.add_row("once, at the end", f"{wanted.units_fixed:,}", str(wanted.days_fixed or "-"))
        table.add_row(
            "whenever you like, at most", f"{wanted.units_always_valid:,}", str(wanted.days_always_valid or "-")
        )
    Console().print(table)


@app.command()
def analyse(
    folder: Annotated[
        Path,
        typer.Argument(exists=True, file_okay=False, help="assignments, outcomes and maybe covariates (CSV, Parquet)."),
    ],
    config: Annotated[Path | None, typer.Option(exists=True, help="JSON with any knobs of the analysis.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="NAME=SHARE, once an arm, control first.")] = None,
    metric_name: Annotated[str | None, typer.Option(help="What people call the metric.")] = None,
    metric_unit: Annotated[str | None, typer.Option(help="Unit of the metric, such as `EUR per customer`.")] = None,
    metric: Annotated[str | None, typer.Option(help="mean, or ratio (numerator over denominator).")] = None,
    name: Annotated[str | None, typer.Option(help="Experiment to read, if the table holds several.")] = None,
    window_days: Annotated[int | None, typer.Option(help="Days from assignment on that count.")] = None,
    plan_units: Annotated[int | None, typer.Option(help="Units at which you expect to stop.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Deals the arms of the placebo runs.")] = ANALYSIS_SEED,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report here; `-` prints it.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Write the pictures (PNG) into this folder.")] = None,
) -> None:
    """The effect of every arm, always valid: look every day and stop when you are sure."""
    from models.experiments.analyse import analyse as run
    from models.experiments.data import prepare
    from models.experiments.report import report as write

    given = {"metric_name": metric_name, "metric_unit": metric_unit, "metric": metric, "experiment": name}
    cfg = _config(config, arm, {**given, "window_days": window_days, "plan_units": plan_units})
    tables = {table: _read(path) for table in TABLES if (path := _file_of(folder, table)) is not None}
    report = write(run(prepare(tables, cfg), cfg, seed=seed))
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        for picture, png in report.plots.items():
            (plots / f"{picture}.png").write_bytes(png)
    if json_file is not None and str(json_file) == "-":
        typer.echo(report.to_json())
        return
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
    _print(report, cfg)


def _print(report: "Report", cfg: "Config") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(title=f"{escape(cfg.metric_name)}, {escape(cfg.metric_unit)}")
    for column in ("arms", "control", "difference", "always valid", "in percent", "always valid", "p"):
        table.add_column(column, justify="left" if column == "arms" else "right")
    for segment in report.segments():
        if segment == "all":
            continue
        figures = {
            row.metric: row.value for row in report.rows if (row.model, row.segment) == (report.champion, segment)
        }
        table.add_row(
            escape(segment),
            f"{figures['control']:.4g}",
            f"{figures['effect']:+.4g}",
            f"{figures['effect_low']:+.4g} to {figures['effect_high']:+.4g}",
            f"{figures['relative_effect']:+.1f} %",
            f"{figures['relative_low']:+.1f} to {figures['relative_high']:+.1f}",
            f"{figures['p']:.2g}",
        )
    console.print(table)
    for note in report.notes:
        console.print(f"- {escape(note)}", highlight=False)


def _config(file: Path | None, arm: list[str] | None, options: dict[str, Any]) -> "Config":
    from pydantic import ValidationError

    from models.experiments.config import Config

    knobs: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    knobs |= {key: value for key, value in options.items() if value is not None}
    if arm:
        shares = _named_numbers(arm, "arm")
        knobs |= {"arms": tuple(shares), "shares": tuple(shares.values())}
    try:
        return Config.model_validate(knobs)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "arms"
        raise ValueError(f"{place}: {first['msg']}: mend the option or the config file") from error


def _named_numbers(pairs: list[str], what: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair in pairs:
        key, separator, number = pair.rpartition("=")
        try:
            found[key] = float(number)
        except ValueError:
            separator = ""
        if not key or not separator:
            raise ValueError(f"{what} {pair!r}: expected NAME=NUMBER, such as A=0.5")
    if len(found) < len(pairs):
        raise ValueError(f"{what} {pairs}: a name stands twice")
    return found


def _file_of(folder: Path, table: str) -> Path | None:
    from orchestration.table_files import SUFFIXES

    found = [path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()]
    if len(found) > 1:
        raise ValueError(f"{folder}: {[path.name for path in found]}: keep one file of the table {table}")
    return found[0] if found else None


def _read(path: Path) -> Any:
    from orchestration.table_files import read_table

    return read_table(path, ("experiment", "unit_id", "arm"))


def _column(table: Any, name: str, path: Path) -> list[Any]:
    if name not in table.column_names:
        raise ValueError(f"{path}: columns {table.column_names}: add {name!r}")
    values: list[Any] = table[name].to_pylist()
    return values
