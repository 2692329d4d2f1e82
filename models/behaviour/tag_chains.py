"""Whose deeds are, by single tags: who puts a tag back took it, and who carries it out took it last.

Deeds that the same tag ties together are one visit's: what places say of each of them multiplies, and so does what the exit's antenna
says of the tags that were taken last.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from models.behaviour.exit_tags import ReadTag
from models.behaviour.people_config import ExitConfig
from models.behaviour.people_observed import Floats
from models.behaviour.visit_events import ShelfDeed

_MOST_LOG = 14.0  # of what the exit says of one tag: it may be another's all the same
_LEAST = 1e-4  # share of a deed that places leave to any visit: tracks may be wrong


def tied(
    deeds: Sequence[ShelfDeed], share: Floats, read: Sequence[ReadTag], passed: Collection[int], cfg: ExitConfig
) -> Floats:
    """Posterior (D, V) that each deed is each visit's, from what places say (D, V) of deeds in order of time. `passed` are the visits
    that were seen to pass the exit."""
    visits = share.shape[1]
    chains, last = _chains(deeds)
    exits = {tag.epc: tag for tag in read}
    unseen = np.log(np.array([cfg.elsewhere if visit in passed else cfg.lost for visit in range(visits)]))
    whole = np.column_stack([share, 1 - share.sum(axis=1)]).clip(0.0)  # nobody at the end
    found = share.copy()
    for members in chains:
        epcs = [epc for row in members for epc in deeds[row].epcs if last.get(epc) == row and epc in exits]
        if len(members) == 1 and not epcs:
            continue
        score = np.log(whole[members] + _LEAST / visits).sum(axis=0)
        if epcs:
            log = _carried([exits[epc] for epc in epcs], visits, cfg)
            score[:visits] += np.logaddexp(log, log.max() + unseen)
            score[visits] += log.max() + np.log(cfg.elsewhere)
        together = np.exp(score - score.max())
        found[members] = together[:visits] / together.sum()
    return found


def returned(deeds: Sequence[ShelfDeed]) -> list[bool]:
    """Of each deed whether all packages of all deeds that it is tied to came back to a shelf, by their tags."""
    chains, _ = _chains(deeds)
    found = [False] * len(deeds)
    for members in chains:
        balance: Counter[str] = Counter()
        for row in members:
            for epc in deeds[row].epcs:
                balance[epc] += 1 if deeds[row].deed == "take" else -1
        whole = all(deeds[row].count == len(deeds[row].epcs) for row in members)
        if len(members) > 1 and whole and not any(balance.values()):
            for row in members:
                found[row] = True
    return found


def last_takes(deeds: Sequence[ShelfDeed]) -> Mapping[str, int]:
    """The row of the deed by which each tag left a shelf for good."""
    return _chains(deeds)[1]


def _chains(deeds: Sequence[ShelfDeed]) -> tuple[Iterable[list[int]], dict[str, int]]:
    """Rows of deeds that belong together, and by tag the row of the last deed if that took it."""
    head = list(range(len(deeds)))

    def found(row: int) -> int:
        while head[row] != row:
            row = head[row]
        return row

    last: dict[str, int] = {}
    for row, deed in enumerate(deeds):
        for epc in deed.epcs:
            if deed.deed == "take":
                last[epc] = row
            elif epc in last:
                head[found(row)] = found(last.pop(epc))
    rows: dict[int, list[int]] = {}
    for row in range(len(deeds)):
        rows.setdefault(found(row), []).append(row)
    return rows.values(), last


def _carried(tags: Sequence[ReadTag], visits: int, cfg: ExitConfig) -> Floats:
    """Log-likelihood (V,) of tags' reads if each visit carried them: each was read, or missed and strayed."""
    total = np.zeros(visits)
    for tag in tags:
        log = np.full(visits, np.log(1 - cfg.reads))
        if tag.visits:
            ratio = np.minimum(np.array(tag.log_ratio), _MOST_LOG)
            log[list(tag.visits)] = np.logaddexp(np.log(cfg.reads) + ratio, np.log(1 - cfg.reads))
        total += log
    return total
