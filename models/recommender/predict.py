"""Recommending with ONNX Runtime, numpy and pydantic alone: what a service and a kiosk run."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.artifact import read_file, read_spec
from models.common.protocols import InputError
from models.common.ranking import best
from models.recommender.candidates import Parts, describe
from models.recommender.histories import Histories, Ints, padded
from models.recommender.requests import FRIENDS, Friend, Reason, RecommendInput, Reply, check
from models.recommender.social import Company, Social
from models.recommender.sparse_rows import SparseRows
from models.recommender.spec import FORMAT_VERSION, Mix, ModelSpec

__all__ = ["Friend", "Predictor", "Reason", "RecommendInput", "Reply", "load"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
MODEL, ARRAYS, ENCODER, RANKER = "model.json", "arrays.safetensors", "encoder.onnx", "ranker.onnx"
SOCIAL = "social.safetensors"
_CHUNK_CELLS = 8_000_000  # scores of customers x items held at once


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, "recommender", ModelSpec, MODEL, FORMAT_VERSION)
    names: tuple[str, ...] = (ARRAYS, ENCODER, RANKER) if spec.candidates else (ARRAYS, ENCODER)
    names += (SOCIAL,) if SOCIAL in manifest.files else ()
    return Predictor(spec, {name: read_file(path, manifest, name) for name in names})


class Predictor:
    """Recommends and explains; thread-safe, holds no state beside its ONNX session."""

    def __init__(self, spec: ModelSpec, files: Mapping[str, bytes]) -> None:
        """files: arrays.safetensors (vectors of items, weights of items on items, attributes, counts), encoder.onnx and,
        where a ranker puts the best in order, ranker.onnx; where friends are known, social.safetensors."""
        from safetensors.numpy import load as read_arrays

        self.spec = spec
        self._files = files
        arrays = read_arrays(files[ARRAYS])
        self._vectors = arrays["vectors"]
        # As the product with one customer's vector reads it: half the time of the other order.
        self._vectors_by_width = np.ascontiguousarray(self._vectors.T)
        n_items = len(spec.items)
        self._weights = SparseRows.named(arrays, "linear", n_items)
        self._attributes = SparseRows.named(arrays, "attributes", spec.attributes)
        self.popularity = np.log1p(arrays["counts"]).astype(np.float32)
        self._floor = np.float32(spec.linear_floor)
        self._session = _session(files[ENCODER])
        self._ranker = _session(files[RANKER]) if spec.candidates else None
        self._social = Social.from_arrays(read_arrays(files[SOCIAL]), n_items) if SOCIAL in files else None

    @cached_property
    def _names(self) -> npt.NDArray[np.str_]:
        return np.asarray(self.spec.items)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.spec.items)}

    def with_mix(self, mix: Mix) -> "Predictor":
        """The same parts weighed in another way, no ranker, no friends: what a part, or the mix, says alone."""
        files = {name: each for name, each in self._files.items() if name != SOCIAL}
        return Predictor(self.spec.model_copy(update={"mix": mix, "candidates": 0}), files)

    @property
    def knows_friends(self) -> bool:
        """Whether friends' lists can move an answer."""
        return self._social is not None

    def predict(self, request: RecommendInput) -> Reply:
        """The `k` best items of each customer. InputError says what is wrong."""
        check(request)
        histories = self.histories(request.histories)
        found, values = self.shortlist(
            histories, request.k, with_taken=request.with_taken, company=self.company(request.friends)
        )
        items = np.full((len(histories), request.k), "", dtype=self._names.dtype)
        items[:, : found.shape[1]] = np.where(found >= 0, self._names[found], "")
        scores = np.full(items.shape, np.nan, np.float32)
        scores[:, : found.shape[1]] = values
        return Reply(items, scores, histories.lengths)

    def histories(self, named: Sequence[Sequence[str]]) -> Histories:
        """Histories by item number, each item where it was taken first; what the model does not know is passed over."""
        places = self._places
        known = ([places[item] for item in history if item in places] for history in named)
        return Histories.of([np.asarray(_each_once(items), dtype=np.int64) for items in known])

    def company(self, friends: Sequence[Sequence[Friend]] | None) -> Company | None:
        """What friends took by item number; None where they are not told, or the model was not trained with any."""
        if friends is None or self._social is None:
            return None
        places = self._places
        return Company.of(
            [
                [
                    (
                        np.asarray(_each_once([places[item] for item in one.items if item in places]), np.int64),
                        one.friends,
                    )
                    for one in each
                ]
                for each in friends
            ]
        )

    def shortlist(
        self,
        histories: Histories,
        count: int,
        *,
        with_taken: bool = False,
        allowed: Bools | None = None,
        company: Company | None = None,
    ) -> tuple[Ints, npt.NDArray[np.float32]]:
        """The best items (N, C) and their `scores` (N, C), C = min(count, I); -1 and NaN where no item is left.

        Only items that are `allowed` (I,), of which there must be one, take part, also where the ranker puts the best in
        order. Some customers at a time, each with all items: no index spares the product with the item vectors whose answer
        is to be exact; what follows it is done for the best alone.
        """
        n, step = len(histories), max(1, _CHUNK_CELLS // len(self.spec.items))
        items = np.full((n, min(count, len(self.spec.items))), -1, dtype=np.int64)
        values = np.full(items.shape, np.nan, np.float32)
        for first in range(0, n, step):
            part = np.arange(first, min(first + step, n))
            theirs, told = histories.take(part), None if company is None else company.take(part)
            if self._answered(theirs, told).any() or not theirs.lengths.all():
                scores = self.scores(theirs, with_taken=with_taken, allowed=allowed, company=told)
                items[part] = best(scores, count)
                values[part] = np.take_along_axis(scores, items[part], axis=1)
            else:
                parts = self.parts(theirs, with_taken=with_taken, allowed=allowed)
                items[part], values[part] = self._top(parts, theirs, count)
        values[items < 0] = np.nan
        return items, values

    def scores(
        self,
        histories: Histories,
        *,
        with_taken: bool = False,
        allowed: Bools | None = None,
        company: Company | None = None,
    ) -> npt.NDArray[np.float32]:
        """Scores (N, I) of all items for histories of item numbers, each item once, oldest first.

        What a customer has is barred (-inf) unless `with_taken`, and so is what is not `allowed` (I,). A history without
        items is scored by popularity alone: nothing is known of what its customer wants. Of the first items in the ranker's
        order the scores tell but the order. Where a model learned of friends, customers of few items are scored by its social
        part, from what friends took (`company`) if that is known.
        """
        total = np.tile(self.popularity, (len(histories), 1))
        if allowed is not None:
            total[:, ~allowed] = -np.inf
        answered = self._answered(histories, company)
        told = np.flatnonzero((histories.lengths > 0) & ~answered)
        if told.size:
            theirs = histories if told.size == len(histories) else histories.take(told)
            parts = self.parts(theirs, with_taken=with_taken, allowed=allowed)
            total[told] = self._ordered(parts, theirs)
        rows = np.flatnonzero(answered)
        if self._social is not None and rows.size:
            theirs = histories.take(rows)
            scores = self._social.scores(theirs, None if company is None else company.take(rows))
            if not with_taken:
                scores[theirs.rows, theirs.items] = -np.inf
            total[rows] = scores if allowed is None else np.where(allowed, scores, -np.inf)
        return total

    def parts(self, histories: Histories, *, with_taken: bool = False, allowed: Bools | None = None) -> Parts:
        """What each part says of all items, and their mix; each history holds one item at least."""
        mix = self.spec.mix
        sequence, linear = self.sequence(histories), self.log_linear(histories)
        total = np.float32(mix.sequence) * sequence + np.float32(mix.linear) * linear
        total += np.float32(mix.popularity) * self.popularity
        if not with_taken:
            total[histories.rows, histories.items] = -np.inf
        if allowed is not None:
            total[:, ~allowed] = -np.inf
        return Parts(total, sequence, linear, self.popularity)

    def candidates(self, histories: Histories, parts: Parts, count: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """The best items (N, C) by the mix and their features (N, C, F)."""
        items = best(parts.mix, count)
        return items, describe(items, parts, histories, self._attributes, decay=self.spec.query_decay)

    def graph_inputs(self, histories: Histories) -> dict[str, npt.NDArray[np.float32]]:
        """What each ONNX file of the artifact reads for some histories, each of one item at least: file -> X."""
        read = {ENCODER: self._vectors[padded(histories, self.spec.max_length)[0]]}
        if self._ranker is not None:
            read[RANKER] = self.candidates(histories, self.parts(histories), self.spec.candidates)[1]
        return read

    def _answered(self, histories: Histories, company: Company | None) -> Bools:
        """Whom (N,) the part that knows friends answers."""
        return np.zeros(len(histories), bool) if self._social is None else self._social.answered(histories, company)

    def _ordered(self, parts: Parts, histories: Histories) -> npt.NDArray[np.float32]:
        """The mix, its best items put in the ranker's order above all others."""
        if self._ranker is None:
            return parts.mix
        items = best(parts.mix, self.spec.candidates)
        above = self._ranked(self._ranker, parts, histories, items)
        row, column = np.nonzero(items >= 0)
        total = parts.mix.copy()
        total[row, items[row, column]] = above[row, column]
        return total

    def _top(self, parts: Parts, histories: Histories, count: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """The first items (N, C) of `_ordered` and their scores, without scores of all others."""
        items = best(parts.mix, max(count, self.spec.candidates))
        values = np.take_along_axis(parts.mix, items, axis=1)
        if self._ranker is not None:
            first = items[:, : self.spec.candidates]
            above = self._ranked(self._ranker, parts, histories, first)
            order = np.lexsort((first, np.where(first < 0, np.inf, -above)), axis=1)
            items[:, : first.shape[1]] = np.take_along_axis(first, order, axis=1)
            values[:, : first.shape[1]] = np.take_along_axis(above, order, axis=1)
        return items[:, :count], values[:, :count]

    def _ranked(self, ranker: Any, parts: Parts, histories: Histories, items: Ints) -> npt.NDArray[np.float32]:
        """What the ranker says (N, C) of the best items by the mix, so that all stand above the others."""
        features = describe(items, parts, histories, self._attributes, decay=self.spec.query_decay)
        rank = np.asarray(ranker.run(["Y"], {"X": features})[0])
        highest = np.take_along_axis(parts.mix, items[:, :1], axis=1)  # of -1 the last: then nothing is allowed
        return np.asarray(highest + rank - rank.min(axis=1, keepdims=True) + 1.0)

    def log_linear(self, histories: Histories) -> npt.NDArray[np.float32]:
        """Logarithms (N, I) of the scores of the regression of items on items, no score below the floor."""
        decayed = np.power(self.spec.query_decay, histories.ages).astype(np.float32)
        return np.log(np.maximum(self._weights.gathered(histories, decayed), 0.0) + self._floor)

    def sequence(self, histories: Histories) -> npt.NDArray[np.float32]:
        """Logits (N, I) of the sequence network; each history holds one item at least."""
        return np.asarray(self._wanted(histories) @ self._vectors_by_width)

    def reasons(self, history: "list[str]", item: str, *, friends: Sequence[Friend] | None = None) -> list[Reason]:
        """What speaks for `item`, most first: items of a history and, where friends do, FRIENDS; exact for the linear part,
        which adds up over them.

        InputError for an item that the model does not know.
        """
        places = self._places
        if item not in places:
            raise InputError(f"item {item[:60]!r} is not known to this model: explain one that it recommended")
        theirs, company = self.histories([history]), self.company(None if friends is None else [friends])
        names = [self.spec.items[number] for number in theirs.items]
        if self._social is not None and company is not None and self._social.answered(theirs, company)[0]:
            own, told = self._social.shares(theirs.items, company, places[item])
            said, names = np.append(own, told), [*names, FRIENDS]
        else:
            weight = np.power(self.spec.query_decay, theirs.ages)
            said = weight * self._weights.column(theirs.items, places[item])
        speaks = np.maximum(said, 0.0)
        if not speaks.sum() > 0:
            return []
        order = np.argsort(-speaks, kind="stable")
        return [Reason(names[place], float(speaks[place] / speaks.sum())) for place in order if speaks[place] > 0]

    def similar(self, item: int, count: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """The items (C,) that the network's vectors find most like one, itself left out, and their cosines (C,)."""
        cosines = (self._vectors @ self._vectors[item]) / (self._lengths * self._lengths[item])
        cosines[item] = -np.inf
        found = best(cosines[None, :], count)[0]
        found = found[found >= 0]
        return found, cosines[found]

    @cached_property
    def _lengths(self) -> npt.NDArray[np.float32]:
        return np.asarray(np.maximum(np.linalg.norm(self._vectors, axis=1), np.finfo(np.float32).tiny))

    def _wanted(self, histories: Histories) -> npt.NDArray[np.float32]:
        """What the network expects next, as an item vector (N, d); histories of like length are run together."""
        grid, lengths = padded(histories, self.spec.max_length)
        wanted = np.empty((len(histories), self._vectors.shape[1]), dtype=np.float32)
        order = np.argsort(lengths, kind="stable")
        for first in range(0, len(order), 512):
            rows = order[first : first + 512]
            longest = int(lengths[rows].max())
            state = self._session.run(["Y"], {"X": self._vectors[grid[rows, :longest]]})[0]
            wanted[rows] = state[np.arange(len(rows)), lengths[rows] - 1]
        return wanted


def _each_once(items: list[int]) -> list[int]:
    """Each item once, where it was taken first: as the model was trained."""
    return list(dict.fromkeys(items))


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
