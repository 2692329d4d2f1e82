"""The networks of a camera as a bundle carries them: detector, embedder and gallery of one signed release, tested where they run.

Files of the artifact: see `models.detector.spec`; what people enrolled since lies beside it, see `models.detector.enrolled`.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge.bots import Answer, SelfTestError, SelfTestReport
from edge.bundle import BundleError, verify
from edge.session import open_session
from edge.update import start
from models.common.artifact import ArtifactError, read_file, read_spec
from models.common.pictures import DEFAULT_BOUNDS, PictureError, Pixels, read_picture
from models.common.protocols import InputError
from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, Tensor, crop, letterbox, to_tensor
from models.detector.enrolled import FOLDER, PHOTOS, read_enrolled
from models.detector.model import Recogniser
from models.detector.networks import Gallery, GalleryNamer, Session, YoloDetector
from models.detector.spec import DETECTOR, EMBEDDER, FORMAT_VERSION, GALLERY, NAME, SPEC, EyesSpec, read_vectors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BOT = NAME
LEFT_OUT = (
    f"{FOLDER}/{PHOTOS}",
    "pictures",
)  # pictures of a shop, perhaps with people in it: a box looks at vectors alone
PICTURES, CROPS, SEED = 2, 4, 7  # of the self-test
# Of an output's range, for all but the worst hundredth of its numbers: processors round 8-bit products each in its own way, and where
# nothing stands a box may lie anywhere. One graph run with and without its 8-bit products: 0.9 % for a detector, 3.4 % for an
# embedder that never learnt anything.
TOLERANCE, COUNTED = 0.05, 0.99


def open_bot(folder: Path) -> "EyesBot":
    """Open the release in `folder`; ArtifactError when it is not whole, or its parts do not fit."""
    artifact = folder / "artifact"
    manifest, spec = read_spec(artifact, NAME, EyesSpec, SPEC, FORMAT_VERSION)
    try:
        vectors = read_vectors(read_file(artifact, manifest, GALLERY))
        vectors, products = read_enrolled(folder / FOLDER).merged(vectors, spec.products)
        gallery = Gallery(vectors, products)
        sessions = [open_session(read_file(artifact, manifest, name)) for name in (DETECTOR, EMBEDDER)]
    except ValueError as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{artifact} holds no networks of a camera ({error}): build the release again") from error
    return EyesBot(spec, sessions[0], sessions[1], gallery)


def open_eyes(home: Path, key: "Ed25519PublicKey") -> "EyesBot":
    """What is installed under `home`, self-tested; the former bundle where the current one does not start, or died `MAX_STARTS`
    times at its first frames: `edge.update.Trial` counts them."""

    def tried(folder: Path) -> EyesBot:
        from edge.runtime import SELF_TEST_FILE

        if (bot := verify(folder, key).bot) != BOT:
            raise BundleError(f"{folder.name} is a bundle of the {bot}: cameras need one of the {BOT}")
        opened = open_bot(folder)
        opened.self_test((folder / SELF_TEST_FILE).read_bytes())
        return opened

    return start(home, key, tried, on_trial=True)[0]


class EyesBot:
    """`edge.bots.EdgeBot` of a camera: one picture in, its items out."""

    def __init__(self, spec: EyesSpec, detector: Session, embedder: Session, gallery: Gallery) -> None:
        self.spec, self._sessions = spec, {DETECTOR: detector, EMBEDDER: embedder}
        self.detector = YoloDetector(detector, spec.detector)
        self.namer = GalleryNamer(embedder, gallery, spec.namer)
        self.input_names = {name: str(each.get_inputs()[0].name) for name, each in self._sessions.items()}

    def check(self, request: Mapping[str, Any]) -> Pixels:
        """`{"picture": Base64 of a JPEG, PNG or WebP}` as (H, W, 3); InputError otherwise."""
        told = request.get("picture")
        if set(request) != {"picture"} or not isinstance(told, str) or len(told) > 2 * DEFAULT_BOUNDS.max_bytes:
            raise InputError(
                f"picture: give a JPEG, PNG or WebP in Base64 and nothing else (given: {sorted(request)[:5]}); cameras are "
                "looked at with --camera NAME=ADDRESS"
            )
        try:
            return read_picture(base64.b64decode(told, validate=True))
        except (PictureError, binascii.Error) as error:
            raise InputError(f"picture: {error}") from error

    def ask(self, request: Pixels) -> Answer:
        """Items of a picture, best-scored first: box, score, product (null: unknown) and confidence."""
        items = [
            {
                "box": [round(at, 1) for at in each.box],
                "score": each.score,
                "product": each.product,
                "confidence": each.confidence,
            }
            for each in Recogniser(self.detector, self.namer).items(request)
        ]
        return Answer({"items": items}, 1.0)

    def fall_back(self, request: Pixels) -> Answer:
        """Nothing is claimed: a person looks."""
        del request
        return Answer({"items": [], "ask": "a person"}, 0.0)

    def model_inputs(self) -> dict[str, dict[str, Tensor]]:
        """Made-up pictures and crops."""
        rng = np.random.default_rng(SEED)
        pictures = [_made_up(rng) for _ in range(PICTURES)]
        squares = [letterbox(each, self.spec.detector.side)[0] for each in pictures]
        corners = rng.uniform(0, 60, (CROPS, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 60, (CROPS, 2))], axis=1)
        crops = [crop(pictures[0], box, self.spec.namer.side) for box in boxes]
        inputs = {DETECTOR: to_tensor(squares[:1]), EMBEDDER: to_tensor(crops, IMAGENET_MEAN, IMAGENET_STD)}
        return {name: {self.input_names[name]: tensor} for name, tensor in inputs.items()}

    def expected(self) -> bytes:
        """Outputs of both graphs for those (safetensors)."""
        from safetensors.numpy import save

        return bytes(save(self._outputs()))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same outputs on this box, but for the worst hundredth within `TOLERANCE` of their range."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            wanted = load(expected)
        except SafetensorError as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        worst, values = 0.0, 0
        for name, found in self._outputs().items():
            told = wanted.get(name)
            if told is None or told.shape != found.shape or not np.isfinite(found).all():
                raise SelfTestError(
                    f"{name}: an output of shape {found.shape} that was not told of: keep the old bundle"
                )
            # Each row of the detector has a unit of its own: pixels, or a score.
            axis = -1 if name == DETECTOR else None
            span = np.ptp(told, axis=axis, keepdims=True) if told.size else np.ones(1)
            off = float(np.quantile(np.abs(found - told) / np.maximum(span, 1e-6), COUNTED)) if found.size else 0.0
            if not off <= TOLERANCE:
                raise SelfTestError(
                    f"{name}: an output is {off:.1%} of its range off, {TOLERANCE:.0%} is the bound: keep the old bundle"
                )
            worst, values = max(worst, off), values + found.size
        return SelfTestReport(values, 0, worst)

    def card(self) -> dict[str, Any]:
        """Sizes, for the status page."""
        return {
            "products": len(self.namer.gallery.products),
            "photos": self.namer.gallery.photos,
            "side": self.spec.detector.side,
        }

    def _outputs(self) -> dict[str, npt.NDArray[np.float32]]:
        inputs = self.model_inputs()
        return {
            name: np.ascontiguousarray(session.run(None, dict(inputs[name]))[0], dtype=np.float32)
            for name, session in self._sessions.items()
        }


def _made_up(rng: np.random.Generator) -> Pixels:
    """A picture (120, 160, 3) of coloured tiles with noise: edges and areas, which is what graphs look at."""
    tiles = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((20, 20, 1)))
    return np.asarray(np.clip(tiles + rng.normal(0, 12, tiles.shape), 0, 255), dtype=np.uint8)
