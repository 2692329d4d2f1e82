"""What reads of tags, with misses, dead tags and strays, say about packages taken from or put on a board.

Each round of an antenna is a trial: a tag on its board is read with a known chance and a strong signal, a tag elsewhere rarely
and weakly, one in a hand before the board now and then. Of K tags of a product any n may have moved, so the likelihood of a
count sums over all choices of n: the elementary symmetric polynomial of the tags' likelihood ratios.
"""

from dataclasses import dataclass

import numpy as np

from models.detector.beliefs import TagNoise
from models.detector.observed import Floats, Ints, TagReads
from models.detector.scales import MOST_COUNT

IMPOSSIBLE = -25.0  # log-likelihood ratio of more packages than there are tags
_MOST_LOG = 40.0  # of one tag's ratio, so that products of three stay finite


@dataclass(frozen=True, eq=False)
class TagEvidence:
    """Log-likelihood ratios (T, B, P', 3) at times `at_s` (T,) that 1 to 3 packages of `products` (P',) were taken (`take`) from
    or put (`put`) on each board then, against none."""

    at_s: Floats
    products: Ints
    take: Floats
    put: Floats


def tag_evidence(reads: TagReads, boards: int, from_s: float, to_s: float, noise: TagNoise) -> TagEvidence:
    """Evidence of all reads between two times, at the end of every round."""
    rounds = max(1, int(np.ceil((to_s - from_s) * noise.rounds_per_s)))
    at_s = from_s + np.arange(rounds + 1) / noise.rounds_per_s
    known = np.flatnonzero(reads.product >= 0)
    products, owner = np.unique(reads.product[known], return_inverse=True)
    if not known.size:
        empty = np.zeros((rounds + 1, boards, 0, MOST_COUNT))
        return TagEvidence(at_s, products, empty, empty)
    still, hand = (summed(reads, boards, known, at_s, noise, what) for what in ("on", "hand"))
    reach = round(noise.hand_s * noise.rounds_per_s)
    late, early = np.minimum(np.arange(rounds + 1) + reach, rounds), np.maximum(np.arange(rounds + 1) - reach, 0)
    gone = still + (hand[late] - hand)
    come = (still[-1] - still) + (hand - hand[early])
    alive, dead = np.log(1 - noise.dead), np.log(noise.dead)
    stayed = np.logaddexp(np.log(1 / boards) + still[-1], np.log1p(-1 / boards) if boards > 1 else -np.inf)
    # Without changes at other times among the alternatives, a change then would speak for one now.
    elsewhen = np.logaddexp.reduce(np.concatenate([gone, come]), axis=0) - np.log(2 * (rounds + 1))
    otherwise = np.logaddexp(np.log1p(-noise.moved) + stayed, np.log(noise.moved) + elsewhen)
    otherwise = np.logaddexp(alive + otherwise, dead)
    found = []
    for moved in (gone, come):
        ratio = np.clip(np.logaddexp(alive + moved, dead) - otherwise, -_MOST_LOG, _MOST_LOG)
        found.append(_counted(np.exp(ratio), owner, products.size))
    return TagEvidence(at_s, products, *found)


def summed(reads: TagReads, boards: int, known: Ints, at_s: Floats, noise: TagNoise, what: str) -> Floats:
    """Log-likelihood ratio (T, B, K) of each tag being on the board, or in a hand before it, rather than elsewhere, summed over
    the rounds up to each time."""
    chance, mean = (noise.on, noise.on_dbm) if what == "on" else (noise.hand, noise.hand_dbm)
    number = np.full(reads.product.size, -1)
    number[known] = np.arange(known.size)
    place = np.clip(((reads.at_s - at_s[0]) * noise.rounds_per_s).astype(np.int64), 0, at_s.size - 2)
    kept = number[reads.tag] >= 0
    near = -0.5 * ((reads.rssi_dbm - mean) / noise.near_db) ** 2 - np.log(noise.near_db)
    far = -0.5 * ((reads.rssi_dbm - noise.off_dbm) / noise.off_db) ** 2 - np.log(noise.off_db)
    read = np.log(chance / noise.off) + near - far
    missed = np.log((1 - chance) / (1 - noise.off))
    ratio = np.full((at_s.size - 1, boards, known.size), missed)
    ratio[place[kept], reads.level[kept], number[reads.tag[kept]]] = read[kept]
    return np.concatenate([np.zeros((1, boards, known.size)), np.cumsum(ratio, axis=0)])


def _counted(ratio: Floats, owner: Ints, products: int) -> Floats:
    """From each tag's ratio (T, B, K) to the log-ratio (T, B, P', 3) of each count: mean over the choices of so many tags."""
    tags = np.bincount(owner, minlength=products)
    order = np.argsort(owner, kind="stable")
    rank = np.arange(owner.size) - np.repeat(np.cumsum(tags) - tags, tags)
    sums = np.zeros((*ratio.shape[:2], products, MOST_COUNT + 1))
    sums[..., 0] = 1.0
    for place in range(int(tags.max())):
        chosen = order[rank == place]
        mine = owner[chosen]
        sums[:, :, mine, 1:] += sums[:, :, mine, :-1] * ratio[:, :, chosen, None]
    choices = np.ones((products, MOST_COUNT + 1))
    for count in range(1, MOST_COUNT + 1):
        choices[:, count] = choices[:, count - 1] * np.maximum(tags - count + 1, 0) / count
    counted = np.full((*sums.shape[:2], products, MOST_COUNT), IMPOSSIBLE)
    possible = choices[:, 1:] > 0
    enough = np.broadcast_to(possible, counted.shape)
    counted[enough] = np.log((sums[..., 1:] / np.maximum(choices[:, 1:], 1.0))[enough])
    return np.maximum(counted, IMPOSSIBLE)
