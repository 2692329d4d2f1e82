"""`storeloop enrol` and `storeloop gallery`: products that the detector knows, from a few photos and without retraining."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.settings import Settings
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from models.detector.enrolled import Enrolled
    from models.detector.predict import Predictor
    from serving.detector_releases import Changed

enrol_app = typer.Typer(add_completion=False)
gallery_app = typer.Typer(add_completion=False, no_args_is_help=True)

ReleasesOption = Annotated[
    Path | None,
    typer.Option(
        "--release", help="Folder of the detector's releases, with its champion.json; default: this workspace's."
    ),
]
WhoOption = Annotated[str | None, typer.Option("--as", help="Who acts; recorded.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")]
ProductArgument = Annotated[str, typer.Argument(help="Id of the product, as the catalogue spells it.")]


@enrol_app.command()
def enrol(
    product: ProductArgument,
    photos: Annotated[
        list[Path],
        typer.Argument(help="1 to 20 photos (JPEG, PNG, WebP) that show it alone; five from all sides are wise."),
    ],
    *,
    release: ReleasesOption = None,
    who: WhoOption = None,
    force: Annotated[
        bool, typer.Option(help="Although the photos look like another product's; recorded as such.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a product known to the detector from photos; running services follow within seconds. Boxes at the edge follow with the
    next bundle."""
    from models.detector.enrol import enrol as add

    pixels = [_photo(path) for path in photos]
    warnings: list[str] = []

    def edit(base: "Predictor", before: "Enrolled") -> "Enrolled":
        done = add(base, before, product, pixels, by=_who(who), at=datetime.now(UTC), force=force)
        warnings.extend(done.warnings)
        return done.enrolled

    changed = _change(release, edit)
    if not as_json:
        for warning in warnings:
            typer.secho(f"warning: {warning}", fg="yellow", err=True)
    _say(product, changed, f"{product} is known from now on, among {changed.products:,} products", as_json, warnings)


@gallery_app.command("list")
def list_products(release: ReleasesOption = None, as_json: JsonOption = False) -> None:
    """Every product of the gallery with its number of vectors, and who enrolled or removed what."""
    from collections import Counter

    from serving.detector_releases import current

    now = current(_root(release))
    vectors = Counter(now.enrolled.gallery_of(now.base).spec.products)
    photos = Counter(photo.product for photo in now.enrolled.index.photos)
    changes = [change.model_dump(mode="json") for change in now.enrolled.index.changes]
    if as_json:
        listed = [{"product": name, "vectors": vectors[name], "enrolled": photos[name]} for name in sorted(vectors)]
        typer.echo(json.dumps({"release": now.folder.name, "products": listed, "changes": changes}))
        return
    for name in sorted(vectors):
        enrolled = f", {photos[name]} photos enrolled" if photos[name] else ""
        typer.echo(f"{name}: {vectors[name]} vectors{enrolled}")
    for change in changes:
        did = f"enrolled from {change['photos']} photos" if change["photos"] else "removed"
        forced = ", forced" if change["forced"] else ""
        typer.echo(f"{change['at']} {change['by']}: {change['product']} {did}{forced}")


@gallery_app.command()
def remove(
    product: ProductArgument, release: ReleasesOption = None, who: WhoOption = None, as_json: JsonOption = False
) -> None:
    """Take a product out of the gallery, whether it was enrolled or trained on."""
    from models.detector.enrol import remove as take_out

    changed = _change(release, lambda base, before: take_out(base, before, product, by=_who(who), at=datetime.now(UTC)))
    _say(product, changed, f"{product} is forgotten; {changed.products:,} products are left", as_json, [])


def _change(release: Path | None, edit: "Callable[[Predictor, Enrolled], Enrolled]") -> "Changed":
    from serving.detector_releases import change_gallery

    return change_gallery(_root(release), edit)


def _root(release: Path | None) -> Path:
    return Workspace(Settings()).releases / "detector" if release is None else release


def _who(who: str | None) -> str:
    return Settings().actor if who is None else who


def _photo(path: Path) -> "Pixels":
    from models.common.pictures import PictureError, read_bytes, read_picture

    try:
        return read_picture(read_bytes(path))
    except PictureError as error:
        said = str(error)
        raise ValueError(said if str(path) in said else f"{path}: {said}") from error


def _say(product: str, changed: "Changed", sentence: str, as_json: bool, warnings: list[str]) -> None:
    body = {"product": product, "release": changed.release, "products": changed.products, "warnings": warnings}
    typer.echo(json.dumps(body) if as_json else sentence)
