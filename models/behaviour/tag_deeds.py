"""Deeds by what moved according to shelf antennas, tag by tag: they name product and count, but for the few tags that are dead.

Deeds of one gondola that lie close together in time are looked at as one. Where mats weigh just what the moved tags say, those are
all that happened, whatever else was told: what two persons take at once looks like one deed, or one deed like two. Elsewhere deeds
keep what no tag speaks of, which is believed less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.behaviour.mat_deeds import Planogram
from models.behaviour.mats import MatChange
from models.behaviour.visit_events import Option, ShelfDeed

_MOST_SURE, _LEAST = 0.9999, 1e-6
_LIKELY = 0.5  # confidence from which a dead tag is held to have moved


class TagDeedConfig(BaseModel):
    """What is held likely of tags at shelves. The defaults were chosen on worlds of the twin that no judge takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apart_s: float = Field(
        2.6, gt=0, le=10, description="between what happens at a gondola, from which it is looked at apart"
    )
    clocks_s: float = Field(2.6, gt=0, le=10, description="most from a tag's move to the deed that it is part of")
    dead: float = Field(
        0.002, gt=0, lt=1, description="chance that a package's tag tells nothing though it is not dead"
    )
    package_share: float = Field(
        0.012, ge=0, le=1, description="standard deviation of a package's weight, a share of it"
    )
    weighs_sds: float = Field(3.5, gt=0, le=20, description="standard deviations within which mats weigh what tags say")
    slack_g: float = Field(
        6.0, ge=0, le=1_000, description="standard deviation of a board's change beyond that of its cells"
    )
    sure: float = Field(0.9995, gt=0, lt=1, description="confidence where mats weigh what the tags say")
    alone: float = Field(0.985, gt=0, lt=1, description="confidence of a tag's move where they do not")


@dataclass(frozen=True)
class MovedTag:
    """Tag `epc` of `product` left (`take`) board `level` of a gondola at `at_s`, or came to it (`put`)."""

    deed: Literal["take", "put"]
    epc: str
    product: int
    gondola: int
    level: int
    at_s: float


_Told: TypeAlias = ShelfDeed | MovedTag | MatChange


@dataclass(eq=False)
class _Together:
    """What happened at a gondola about one time."""

    deeds: list[ShelfDeed]
    tags: list[MovedTag]
    changes: list[MatChange]


@dataclass(eq=False)
class _Group:
    """Tags of one product that moved as one, and the deeds told of it."""

    tags: list[MovedTag]
    deeds: list[ShelfDeed]


def tagged(
    deeds: Sequence[ShelfDeed],
    tags: Sequence[MovedTag],
    changes: Sequence[MatChange],
    shelves: Mapping[int, Planogram],
    silent: Mapping[int, float],
    cfg: TagDeedConfig | None = None,
) -> list[ShelfDeed]:
    """Deeds in order of time, each with the tags that moved with it. `silent` is the share of a product's tags that no
    antenna ever read, product -> share. `changes` empty: there are no mats."""
    cfg = cfg or TagDeedConfig()
    found = [
        deed
        for together in _together(deeds, tags, changes, cfg)
        if together.deeds or together.changes or not changes
        for deed in _told(together, shelves[_gondola(together)], silent, cfg)
    ]
    found.sort(key=lambda deed: (deed.at_s, deed.gondola, deed.along_m, deed.product))
    return _with_dead(found, silent)


def _with_dead(deeds: Sequence[ShelfDeed], silent: Mapping[int, float]) -> list[ShelfDeed]:
    """Dead tags by names of their own: few are, so that what is put is held to be the one of its product that was taken last."""
    out: dict[int, list[str]] = {}
    found = list(deeds)
    for number, deed in enumerate(deeds):
        if deed.product not in silent or deed.count != len(deed.epcs) + 1 or deed.confidence <= _LIKELY:
            continue
        names = out.setdefault(deed.product, [])
        if deed.deed == "take":
            names.append(f"dead {number}")
            found[number] = replace(deed, epcs=(*deed.epcs, names[-1]))
        elif names:
            found[number] = replace(deed, epcs=(*deed.epcs, names.pop()))
    return found


def _gondola(together: _Together) -> int:
    return together.deeds[0].gondola if together.deeds else together.tags[0].gondola


def _together(
    deeds: Sequence[ShelfDeed], tags: Sequence[MovedTag], changes: Sequence[MatChange], cfg: TagDeedConfig
) -> Iterable[_Together]:
    every: list[_Told] = [*deeds, *tags, *changes]
    every.sort(key=lambda each: (each.gondola, each.at_s))
    found: list[_Together] = []
    last: _Told | None = None
    for each in every:
        if last is None or each.gondola != last.gondola or each.at_s - last.at_s > cfg.apart_s:
            found.append(_Together([], [], []))
        last = each
        match each:
            case ShelfDeed():
                found[-1].deeds.append(each)
            case MovedTag():
                found[-1].tags.append(each)
            case _:
                found[-1].changes.append(each)
    return (each for each in found if each.deeds or each.tags)


def _told(together: _Together, shelf: Planogram, silent: Mapping[int, float], cfg: TagDeedConfig) -> list[ShelfDeed]:
    groups = _groups(together, cfg)
    used = [deed for group in groups for deed in group.deeds]
    left = [deed for deed in together.deeds if not any(deed is other for other in used)]
    if together.tags and _weighs(together, shelf, cfg):
        return [deed for group in groups for deed in _all(group, together, shelf, cfg.sure)]
    found = []
    for group in groups:
        if not group.deeds:
            # What was told otherwise, and may have been this.
            other = next((deed for deed in left if _may_be(deed, group)), None)
            if other is not None:
                left = [deed for deed in left if deed is not other]
                group.deeds.append(other)
            found += _all(group, together, shelf, cfg.alone)
        else:
            found += _counted(group, silent, cfg)
    return found + [_untagged(deed, (), silent, cfg) for deed in left]


def _groups(together: _Together, cfg: TagDeedConfig) -> list[_Group]:
    by_kind: dict[tuple[str, int, int], list[MovedTag]] = {}
    for tag in together.tags:
        by_kind.setdefault((tag.deed, tag.product, tag.level), []).append(tag)
    found = []
    for tags in by_kind.values():
        parts: list[list[MovedTag]] = []
        for tag in tags:
            if not parts or tag.at_s - parts[-1][-1].at_s > cfg.clocks_s:
                parts.append([])
            parts[-1].append(tag)
        found += [_Group(part, []) for part in parts]
    for told in together.deeds:
        near = [
            group
            for group in found
            if (group.tags[0].deed, group.tags[0].product) == (told.deed, told.product)
            and _off(group, told) <= cfg.clocks_s
        ]
        if near:
            min(near, key=lambda group: _off(group, told)).deeds.append(told)
    return found


def _off(group: _Group, deed: ShelfDeed) -> float:
    return min(abs(tag.at_s - deed.at_s) for tag in group.tags)


def _may_be(deed: ShelfDeed, group: _Group) -> bool:
    first = group.tags[0]
    return deed.deed == first.deed and any(
        (option.product, option.count) == (first.product, len(group.tags)) for option in deed.others
    )


def _weighs(together: _Together, shelf: Planogram, cfg: TagDeedConfig) -> bool:
    """Whether mats weigh, board by board, what the tags that moved do."""
    if not together.changes or not all(change.whole for change in together.changes):
        return False
    for level in {each.level for each in together.changes} | {each.level for each in together.tags}:
        own = [change for change in together.changes if change.level == level]
        packages = [tag for tag in together.tags if tag.level == level]
        grams = np.array([float(shelf.weight_g[tag.product]) for tag in packages])
        signs = np.array([1.0 if tag.deed == "put" else -1.0 for tag in packages])
        variance = sum(change.sd_g**2 for change in own) + cfg.slack_g**2
        variance += float((cfg.package_share * grams) @ (cfg.package_share * grams))
        told = sum(change.grams for change in own)
        if abs(told - float(signs @ grams)) > cfg.weighs_sds * np.sqrt(variance):
            return False
    return True


def _all(group: _Group, together: _Together, shelf: Planogram, sure: float) -> list[ShelfDeed]:
    """Deeds of just the tags that moved: one, or one for each that was told of them, with the tags nearest to it."""
    first = group.tags[0]
    if not group.deeds:
        along = _place(group, together, shelf)
        at_s = float(np.mean([tag.at_s for tag in group.tags]))
        return [_deed(first, group.tags, along, at_s, sure, traced=sure > 0.99)]
    parts: list[list[MovedTag]] = [[] for _ in group.deeds]
    for tag in group.tags:
        nearest = min(
            range(len(parts)),
            key=lambda k: (
                abs(group.deeds[k].at_s - tag.at_s) + 10 * (len(parts[k]) > 0 and any(not part for part in parts))
            ),
        )
        parts[nearest].append(tag)
    return [
        _deed(first, part, deed.along_m, deed.at_s, sure, traced=True)
        for deed, part in zip(group.deeds, parts, strict=True)
        if part
    ]


def _deed(
    first: MovedTag, tags: Sequence[MovedTag], along_m: float, at_s: float, sure: float, *, traced: bool
) -> ShelfDeed:
    epcs = tuple(tag.epc for tag in tags)
    return ShelfDeed(first.deed, first.product, len(tags), first.gondola, along_m, at_s, sure, epcs=epcs, traced=traced)


def _place(group: _Group, together: _Together, shelf: Planogram) -> float:
    """Where along the gondola tags moved of which nothing else is told, m."""
    first = group.tags[0]
    sign = 1 if first.deed == "put" else -1
    near = [change for change in together.changes if change.level == first.level and sign * change.grams > 0]
    if near:
        return min(near, key=lambda change: abs(change.at_s - first.at_s)).centre_cm / 100
    lanes = np.flatnonzero((shelf.level == first.level) & (shelf.product == first.product))
    if lanes.size:
        return float((shelf.left[lanes] + shelf.right[lanes]).mean()) / 200
    return min(together.deeds, key=lambda deed: abs(deed.at_s - first.at_s)).along_m if together.deeds else 0.0


def _counted(group: _Group, silent: Mapping[int, float], cfg: TagDeedConfig) -> list[ShelfDeed]:
    """Deeds as told, with their tags: more tags than packages count, fewer may be dead."""
    if len(group.deeds) > 1 and sum(deed.count for deed in group.deeds) == len(group.tags):
        return _shared(group)
    first = max(group.deeds, key=lambda deed: deed.confidence)
    if first.count < len(group.tags):
        first = replace(first, count=len(group.tags), confidence=cfg.alone, others=())
    return [_untagged(first, group.tags, silent, cfg)]


def _shared(group: _Group) -> list[ShelfDeed]:
    left = list(group.tags)
    found = []
    for deed in group.deeds:
        left.sort(key=lambda tag: abs(tag.at_s - deed.at_s))
        own, left = left[: deed.count], left[deed.count :]
        found.append(replace(deed, epcs=tuple(tag.epc for tag in own), traced=True))
    return found


def _untagged(deed: ShelfDeed, tags: Sequence[MovedTag], silent: Mapping[int, float], cfg: TagDeedConfig) -> ShelfDeed:
    """A deed of whose packages' tags some moved: the options weighed by how likely the others are dead."""
    moved, options = len(tags), []
    for option in deed.options:
        own = moved if option.product == deed.product else 0
        dead = max(silent.get(option.product, 0.0), cfg.dead)
        chance = _dead(option.count, own, dead) * (1.0 if own == moved else cfg.dead**moved)
        options.append(Option(option.product, option.count, option.chance * chance))
    other = max(1 - sum(option.chance for option in deed.options), _LEAST) * (cfg.dead**moved)
    total = sum(option.chance for option in options) + other
    options = [replace(option, chance=min(option.chance / total, _MOST_SURE)) for option in options]
    options.sort(key=lambda option: -option.chance)
    first, epcs = options[0], tuple(tag.epc for tag in tags)
    return ShelfDeed(
        deed.deed, first.product, first.count, deed.gondola, deed.along_m, deed.at_s, first.chance, tuple(options[1:]),
        epcs, traced=True,
    )  # fmt: skip


def _dead(count: int, moved: int, dead: float) -> float:
    """Chance that of so many packages just so many tags are told to have moved."""
    if moved > count:
        return dead ** (2 * (moved - count))
    return comb(count, moved) * dead ** (count - moved) * (1 - dead) ** moved
