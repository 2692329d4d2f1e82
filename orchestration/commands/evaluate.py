"""`storeloop evaluate`: train a model on what came before, score what came after, beside baselines and peers."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.evaluate_pictures import detector, inspection
from orchestration.commands.evaluating import JsonOption, SeedOption, evaluate_model, home_of, show, told
from orchestration.commands.options import TwinParamsOption, TwinSeedOption, TwinSizeOption, settings_with
from orchestration.settings import HORIZON_MAX, SOURCE_FORMS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.common.report import Report

app = typer.Typer(no_args_is_help=True, add_completion=False)

EvaluatedSource = Annotated[str, typer.Option("--source", help=SOURCE_FORMS)]


@app.callback()
def evaluate() -> None:
    """Evaluate a model on any source, in a workspace of its own. Every table passes the gate, as ever: a refused batch
    ends the evaluation with its reason."""


@app.command()
def forecaster(
    source: EvaluatedSource,
    cutoff: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First period scored; the model sees only what lies before.")
    ],
    horizon: Annotated[int, typer.Option(min=1, max=HORIZON_MAX, help="Periods (days or weeks) scored.")] = HORIZON_MAX,
    json_file: JsonOption = None,
    seed: SeedOption = None,
    peer_minutes: Annotated[
        float | None,
        typer.Option(
            help="Give peers that fit series one by one all of them where that takes fewer minutes than this."
        ),
    ] = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """Demand of every series after a cutoff."""
    question = [source, cutoff.date().isoformat(), horizon, seed]
    asked = {"cutoff": cutoff.date(), "horizon": horizon, "seed": seed, "peer_minutes": peer_minutes}
    settings = settings_with(source, twin_size, twin_seed, twin_params, home=home_of(question), **asked)
    evaluate_model("forecaster", settings, json_file)


@app.command()
def recommender(
    source: EvaluatedSource,
    json_file: JsonOption = None,
    seed: SeedOption = None,
    trials: Annotated[int | None, typer.Option(min=1, max=100, help="Draws by which each peer is tuned.")] = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """The last item of every customer, ranked among all items."""
    home = home_of(["recommender", source, seed, trials])
    settings = settings_with(source, twin_size, twin_seed, twin_params, home=home, seed=seed, peer_trials=trials)
    evaluate_model("recommender", settings, json_file)


@app.command()
def profiles(
    source: EvaluatedSource,
    json_file: JsonOption = None,
    seed: SeedOption = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """Segments of customers and their influence; on the twin beside the truth, and by campaigns."""
    home = home_of(["profiles", source, seed])
    evaluate_model(
        "profiles", settings_with(source, twin_size, twin_seed, twin_params, home=home, seed=seed), json_file
    )


@app.command()
def behaviour(
    json_file: JsonOption = None,
    seed: SeedOption = None,
    twin_size: TwinSizeOption = None,
    twin_seed: TwinSeedOption = None,
    twin_params: TwinParamsOption = None,
) -> None:
    """Attention and dwell of visits to the twin's shop, beside a naive rule and two boosters."""
    home = home_of(["behaviour", seed])
    settings = settings_with("twin", twin_size, twin_seed, twin_params, home=home, seed=seed)
    evaluate_model("behaviour", settings, json_file)


@app.command()
def pricing(
    instances: Annotated[
        Path | None,
        typer.Option(
            help="JSON or YAML file of pricing problems (format: models/pricing/instances.py); none: those that ship."
        ),
    ] = None,
    json_file: JsonOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of training and of the days judged on.")] = 0,
    params: Annotated[
        Path | None, typer.Option(help="File with a section `pricing` of overrides, as params.yaml.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Judge only the problem of this name; may be given again.")
    ] = None,
    logged: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of prices a shop asked (format: models/pricing/logged.py): judge by it, not by the problem as told."
        ),
    ] = None,
) -> None:
    """Learned prices beside simple rules, plain DQN and the exact dynamic program, problem by problem; with --logged, what they
    would have earned where a shop asked its own prices."""
    from orchestration.pricing import evaluate_problems
    from orchestration.pricing_logged import evaluate_logged

    settings = Settings() if params is None else Settings(params=params)
    if logged is not None:
        name = _at_most_one(only or ())
        report = told(
            "evaluate pricing",
            json_file,
            lambda tell: evaluate_logged(settings, logged, instances, only=name, seed=seed, on_progress=tell),
        )
        show(report, json_file, title=f"told by {logged.name}")
        return
    report = told(
        "evaluate pricing",
        json_file,
        lambda tell: evaluate_problems(settings, instances, only=only or (), seed=seed, on_progress=tell),
    )
    show(report, json_file, title="problems that can be solved exactly")


app.command()(inspection)
app.command()(detector)


@app.command()
def slots(
    seed: Annotated[list[int], typer.Option(min=0, help="Seed of a world to judge on; give two or more.")],
    areas: Annotated[int, typer.Option(min=1, max=100, help="Delivery areas of each world.")] = 3,
    days: Annotated[int, typer.Option(min=1, max=2_000, help="Days that are priced in each world.")] = 182,
    json_file: JsonOption = None,
    params: Annotated[
        Path | None, typer.Option(help="File with a section `pricing` of overrides, as params.yaml.")
    ] = None,
) -> None:
    """Fees of the twin's delivery slots, learned on demand fitted from its bookings, beside simple rules and an oracle."""
    from orchestration.slot_pricing import evaluate_slots

    settings = Settings() if params is None else Settings(params=params)
    report = told(
        "evaluate slots",
        json_file,
        lambda tell: evaluate_slots(settings, seed, areas=areas, days=days, on_progress=tell),
    )
    show(report, json_file, title="worlds that no rule was tuned on")


@app.command()
def fresh(
    seed: Annotated[list[int], typer.Option(min=0, help="Seed of a world to judge on; several give an interval.")],
    json_file: JsonOption = None,
    params: Annotated[
        Path | None, typer.Option(help="File with a section `pricing` of overrides, as params.yaml.")
    ] = None,
) -> None:
    """Prices of fresh goods in the true twin, learned on demand fitted from its tables, beside tuned rules."""
    from orchestration.fresh_judging import evaluate_worlds

    settings = Settings() if params is None else Settings(params=params)
    report = told("evaluate fresh", json_file, lambda tell: evaluate_worlds(settings, seed, on_progress=tell))
    show(report, json_file, title="worlds that nothing was tuned on")


@app.command()
def pricing_log(
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    instances: Annotated[Path | None, typer.Option(help="File of pricing problems; none: those that ship.")] = None,
    only: Annotated[str | None, typer.Option(help="The problem's name, if there are several.")] = None,
    episodes: Annotated[int, typer.Option(min=20, max=100_000, help="Runs over all periods of the problem.")] = 4_000,
    explore: Annotated[float, typer.Option(min=0, max=1, help="Share of decisions at which any price is tried.")] = 0.3,
    softmax: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=100,
            help="Instead: chances fall with the distance to the rule's price, over this share of list price.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of days and draws.")] = 0,
    params: Annotated[Path | None, typer.Option(help="File with a section `pricing` of overrides.")] = None,
) -> None:
    """Simulate a shop that keeps to a tuned rule and tries other prices, and write its log for `pricing --logged`."""
    from orchestration.pricing_logged import write_simulated_log

    settings = Settings() if params is None else Settings(params=params)
    try:
        said = write_simulated_log(
            settings, out, instances, only=only, episodes=episodes, explore=explore, softmax=softmax, seed=seed
        )
    except ValueError as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from error
    typer.echo(said)


@app.command()
def elasticity(
    panel: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet: series_id, group_id, period_start, price, units and, if known, promoted (0 to 1)."
        ),
    ] = None,
    choices: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet, a row an occasion and item: customer_id, occasion, item_id, price, chosen (0 or 1)."
        ),
    ] = None,
    fact: Annotated[list[str] | None, typer.Option(help="With --choices: a further column, such as displayed.")] = None,
    json_file: JsonOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of intervals.")] = 0,
    params: Annotated[Path | None, typer.Option(help="File with a section `elasticity` of overrides.")] = None,
) -> None:
    """How demand answers to price, with intervals, beside log-log regressions or a conditional logit, on what came after."""
    from orchestration.elasticity import evaluate_choices, evaluate_panel

    if (panel is None) == (choices is None):
        typer.secho("give either --panel or --choices", fg="red", err=True)
        raise typer.Exit(1)
    settings = Settings() if params is None else Settings(params=params)

    def make(tell: "Callable[[str], None]") -> "Report":
        if panel is not None:
            return evaluate_panel(settings, panel, seed=seed, on_progress=tell)
        assert choices is not None
        return evaluate_choices(choices, facts=tuple(fact or ()), seed=seed)

    show(told("evaluate elasticity", json_file, make), json_file, title="held out: the newest periods or choices")


def _at_most_one(names: "Sequence[str]") -> str | None:
    """A log is of one problem."""
    if len(names) > 1:
        typer.secho(f"--only {', '.join(names)}: a log is of one problem: give one", fg="red", err=True)
        raise typer.Exit(1)
    return names[0] if names else None
