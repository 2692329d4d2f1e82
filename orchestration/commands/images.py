"""`storeloop images`: take image sets in through the gate, report on their labels, exchange them with labelling tools."""

import json
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_checks.cli import build_app
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.image_sets import ImageSets, TakenIn

app = typer.Typer(add_completion=False, no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Name of the set.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def _sets() -> "ImageSets":
    from orchestration.image_sets import image_sets_of
    from orchestration.workspace import Workspace

    return image_sets_of(Workspace(Settings()))


@app.command("import")
def take_in(
    name: NameArgument,
    spec: Annotated[
        str | None,
        typer.Argument(
            help="yolo:FOLDER, coco:FILE_OR_FOLDER, class_folders:FOLDER, ok_defect:FOLDER, grocery_store:FOLDER, "
            "label_studio:FILE or image_set:FOLDER; left out: the last delivery again, as after a steward's release."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every picture, let the gate judge, keep the good rows. Exit code 1 where the gate refuses the set."""
    _show(_sets().take_in(name, spec), as_json=as_json)


@app.command("list")
def list_sets(as_json: JsonOption = False) -> None:
    """Every set, and whether a model may learn from it."""
    from orchestration.image_sets import ImageSetError

    sets, found = _sets(), []
    for name in sets.names():
        try:
            opened = sets.open(name)
            found.append({"name": name, "pictures": opened.images.num_rows, "labels": opened.image_labels.num_rows})
        except ImageSetError as error:
            found.append({"name": name, "refused": str(error)})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        said = one.get("refused") or f"{one['pictures']:,} pictures, {one['labels']:,} labels"
        typer.echo(f"{one['name']}: {said}")


@app.command()
def export(
    name: NameArgument,
    form: Annotated[str, typer.Argument(help="yolo, coco or label_studio.")],
    out: Annotated[Path, typer.Argument(help="Folder to write, which must not exist.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Parquet of proposals (columns of image_labels), for label_studio.")
    ] = None,
) -> None:
    """Write a set as a labelling tool reads it; a model's proposals go along as pre-annotations."""
    from sources.images.coco_export import export_coco
    from sources.images.label_studio_export import export_label_studio
    from sources.images.yolo_export import export_yolo

    opened = _sets().open(name)
    if form == "label_studio":
        done = export_label_studio(opened, out, predictions=None if predictions is None else _parquet(predictions))
    elif form in ("yolo", "coco") and predictions is None:
        done = (export_yolo if form == "yolo" else export_coco)(opened, out)
    else:
        raise ValueError(f"form {form!r}: use yolo, coco or label_studio; predictions go to label_studio alone")
    left_out = "".join(f"; {count:,} left out: {reason}" for reason, count in done.left_out.items())
    typer.echo(f"{done.folder}: {done.pictures:,} pictures, {done.labels:,} labels{left_out}")


@app.command()
def predict(
    name: NameArgument,
    out: Annotated[Path, typer.Argument(help="Parquet file to write, in the columns of image_labels.")],
) -> None:
    """What the detector that serves now sees in a set: boxes, classes and confidences, as `labels`, `next` and `export` read them.

    `labels` wants a set that the detector did not learn from.
    """
    import pyarrow.parquet as pq

    from data_checks.durable import replace_file
    from orchestration.commands.progress import StepPrinter
    from orchestration.set_predictions import predict_set
    from orchestration.workspace import Workspace

    opened = _sets().open(name)
    with StepPrinter(f"predict {name}") as printer:
        found = predict_set(Workspace(Settings()), opened, on_progress=printer.message)
    replace_file(out, lambda path: pq.write_table(found.rows, path, compression="zstd"))
    typer.echo(f"{out}: {found.rows.num_rows:,} boxes in {found.pictures:,} pictures")
    for reason, count in found.left_out.most_common():
        typer.echo(f"- left out {count:,} times: {reason}")


@app.command()
def labels(
    name: NameArgument,
    predictions: Annotated[
        Path,
        typer.Argument(
            help="Parquet of image_id, label, confidence and box edges, by models that did not learn from it."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Report on the labels, then judge the set by it. Exit code 1 where too many are suspicious."""
    from models.label_quality.analyse import analyse
    from models.label_quality.config import Config
    from models.label_quality.data import prepare
    from models.label_quality.report import issues, report

    settings, sets = Settings(), _sets()
    cfg = Config(**settings.section("label_quality"))
    tables = {**sets.to_report(name), "predictions": _parquet(predictions)}
    analysis = analyse(prepare(tables, cfg), cfg, seed=settings.seed)
    told = report(analysis)
    if not as_json:
        for note in told.notes:
            typer.echo(f"- {note}")
    _show(sets.report_labels(name, issues(analysis), told), as_json=as_json)


@app.command("next")
def to_label_next(
    name: NameArgument,
    count: Annotated[int, typer.Option(min=1, help="Pictures to label: the budget.")] = 100,
    strategy: Annotated[
        str | None, typer.Option(help="mix, badge, coreset, margin, entropy, least_confidence or random.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Parquet of what a model sees (columns of image_labels): doubt, and pre-annotations."),
    ] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Parquet of image_id and embedding, by any network.")] = None,
    embedder: Annotated[
        Path | None, typer.Option(help="ONNX graph that embeds pictures; default: colours and edges, no network.")
    ] = None,
    labelled: Annotated[
        str | None, typer.Option(help="Set of pictures that were labelled, or looked at and found empty.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write for a labelling tool, which must not exist.")
    ] = None,
    form: Annotated[str, typer.Option(help="label_studio or yolo.")] = "label_studio",
    as_json: JsonOption = False,
) -> None:
    """Choose the pictures without labels that a model would learn most from; with --out, hand them to a labelling tool."""
    from models.active_learning.config import Config
    from orchestration.labelling import choose_next, hand_over

    settings, sets = Settings(), _sets()
    asked = {"count": count} | ({} if strategy is None else {"strategy": strategy})
    told = None if predictions is None else _parquet(predictions)
    chosen = choose_next(
        sets.open(name),
        Config(**settings.section("active_learning") | asked),
        seed=settings.seed,
        predictions=told,
        embeddings=None if embeddings is None else _parquet(embeddings),
        embedder=embedder,
        labelled=None if labelled is None else sets.open(labelled),
    )
    done = None if out is None else hand_over(chosen.chosen, out, form, predictions=told)
    if as_json:
        written = None if done is None else str(done.folder)
        typer.echo(json.dumps({"next": chosen.listed.to_pylist(), "notes": chosen.report.notes, "folder": written}))
        return
    for note in chosen.report.notes:
        typer.echo(f"- {note}")
    for row in chosen.listed.to_pylist():
        typer.echo(f"{row['rank']}. {row['image_id']} (doubt {row['doubt']:.2f})")
    if done is not None:
        typer.echo(f"{done.folder}: {done.pictures:,} pictures for {form}")


_chosen: ContextVar[Path] = ContextVar("folder of the set whose quarantine is asked for")
stewards = build_app(_chosen.get)
app.add_typer(stewards, name="quarantine")


@stewards.callback()
def of_set(name: Annotated[str, typer.Option("--set", help="Name of the set.")]) -> None:
    """Rows of an image set that failed their contract, and what was decided on them."""
    _chosen.set(_sets().folder(name))


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: not readable as Parquet ({error}); write predictions as one Parquet file") from error


def _show(outcome: "TakenIn", *, as_json: bool) -> None:
    if as_json:
        said = {"passed": outcome.passed, "counts": outcome.counts, "broken": outcome.broken, "notes": outcome.notes}
        typer.echo(json.dumps({"name": outcome.name, **said, "site": str(outcome.site)}))
    else:
        for table, counts in outcome.counts.items():
            typer.echo(
                f"{table}: {counts['in']:,} rows, {counts['good']:,} good, {counts['quarantined']:,} in quarantine"
            )
        for line in outcome.broken:
            typer.echo(f"stopped by {line}")
        verdict = "a model may learn from it" if outcome.passed else "the gate refuses it"
        typer.echo(f"{outcome.name}: {verdict}; pages in {outcome.site}")
    if not outcome.passed:
        raise typer.Exit(1)
