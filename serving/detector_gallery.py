"""Enrolling and removing products over HTTP: engineers alone, by token, each change recorded under their name."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

from models.common.artifact import ArtifactError
from models.common.pictures import Pixels
from models.common.protocols import InputError
from models.detector.enrol import LookAlike, enrol, remove
from models.detector.enrolled import Enrolled
from models.detector.predict import Predictor
from serving.approval_roles import Person, Tokens
from serving.detector_champion import BOT
from serving.detector_releases import Changed, change_gallery
from serving.release import ReleaseError
from serving.replies import Refusal
from serving.settings import ServeSettings

NOBODY = "no engineer has a token, so nobody may change the gallery: set STORELOOP_SERVE_ENGINEERS=name:token and start again"
UNKNOWN = "no known token: send `Authorization: Bearer TOKEN` with one of STORELOOP_SERVE_ENGINEERS"


class GalleryDesk:
    """Changes the gallery of the releases that this service follows."""

    def __init__(self, settings: ServeSettings, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970. ValueError for tokens that are none."""
        self._tokens = Tokens({"engineer": settings.engineers.get_secret_value()})
        self._root: Path = settings.releases / BOT
        self._clock = clock

    def engineer(self, authorization: str) -> Person:
        """Whose token a header carries. Refusal: 403 where nobody has one, 401 for none that is known."""
        if not self._tokens:
            raise Refusal(403, NOBODY)
        person = self._tokens.by_header(authorization)
        if person is None:
            raise Refusal(401, UNKNOWN)
        return person

    def enrol(self, who: Person, product: str, photos: Sequence[Pixels], *, force: bool) -> bytes:
        """Reply (JSON of `GalleryReply`). Refusal: 409 where it looks like another product, 400 for photos that say nothing."""
        warnings: list[str] = []
        taken = 0

        def edit(base: Predictor, before: Enrolled) -> Enrolled:
            nonlocal taken
            done = enrol(base, before, product, photos, by=who.name, at=self._now(), force=force)
            warnings.extend(done.warnings)
            taken = done.enrolled.index.changes[-1].photos
            return done.enrolled

        changed = self._change(edit)
        return _told(product, taken, who, changed, warnings)

    def remove(self, who: Person, product: str) -> bytes:
        """Reply (JSON of `GalleryReply`). Refusal: 404 for a product that is not there."""
        changed = self._change(lambda base, before: remove(base, before, product, by=who.name, at=self._now()), 404)
        return _told(product, 0, who, changed, [])

    def _change(self, edit: Callable[[Predictor, Enrolled], Enrolled], status: int = 400) -> Changed:
        try:
            return change_gallery(self._root, edit)
        except LookAlike as error:
            raise Refusal(409, str(error)) from error
        except InputError as error:
            raise Refusal(status, str(error)) from error
        except (ReleaseError, ArtifactError, OSError) as error:
            raise Refusal(503, f"the gallery cannot be changed now: {error}") from error

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _told(product: str, photos: int, who: Person, changed: Changed, warnings: list[str]) -> bytes:
    return to_json({
        "product": product, "photos": photos, "by": who.name, "release": changed.release, "products": changed.products,
        "warnings": warnings,
    })  # fmt: skip
