"""The Merkle tree of RFC 6962 over leaf hashes that lie elsewhere, and checks of its proofs that need no tree."""

import hashlib
from collections.abc import Sequence
from functools import reduce
from typing import Protocol

from pymerkle.core import BaseMerkleTree

CACHE_BYTES = 32 << 20  # of roots of full subtrees
READ_AT_ONCE = 128  # leaves; a power of two
HASH_BYTES = 32


class ProofError(ValueError):
    """A proof that proves nothing; the message says why."""


class Leaves(Protocol):
    """Hashes of leaves in the order of the ledger."""

    def size(self) -> int:
        """How many there are."""

    def hashes(self, first: int, count: int) -> Sequence[bytes]:
        """`count` of them from number `first` on, counted from 1."""


class Frontier:
    """A tree as far as it takes to go on with it: how many leaves, and the roots of its full subtrees, largest first."""

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        self.size, self._roots = size, list(roots)

    def push(self, leaf: bytes) -> None:
        """Append a leaf hash; full subtrees of equal size become one."""
        size = self.size
        while size & 1:
            leaf, size = _node(self._roots.pop(), leaf), size >> 1
        self._roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Root hash of all leaves so far."""
        if not self._roots:
            return hashlib.sha256(b"").digest()
        return reduce(lambda right, left: _node(left, right), reversed(self._roots))


class Tree(BaseMerkleTree):  # type: ignore[misc]  # pymerkle has no types
    """Roots and proofs over `leaves`; reads alone, for what is added is added by their owner.

    Roots of full subtrees are kept in memory, so they may be asked for only of leaves that stay as they are.
    """

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves
        super().__init__("sha256", capacity=CACHE_BYTES, threshold=READ_AT_ONCE)

    def root(self, size: int) -> bytes:
        """Root hash of the first `size` leaves."""
        return bytes(self.get_root(size))

    def frontier(self, size: int) -> Frontier:
        """The tree of the first `size` leaves, to go on with."""
        rest, place, roots = size % READ_AT_ONCE, 0, list[bytes]()
        for power in reversed(range(size.bit_length())):
            width = 1 << power
            if size & width and width >= READ_AT_ONCE:
                roots.append(self._get_subroot(place, width))
                place += width
        frontier = Frontier(place, roots)
        for leaf in self._get_leaves(place, rest) if rest else ():
            frontier.push(leaf)
        return frontier

    def inclusion(self, number: int, size: int) -> list[bytes]:
        """Audit path of leaf `number` in the tree of `size` leaves, from the leaf's neighbour to the root."""
        return list(self.prove_inclusion(number, size).path[1:])

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Consistency path from the tree of `first` leaves to that of `second` (RFC 6962, 2.1.2; pymerkle's is another one)."""
        start, end, path = 0, second, list[bytes]()
        while first != end:
            half = start + (1 << (end - start - 1).bit_length() - 1)
            if first <= half:
                path.append(self._get_root(half, end))
                end = half
            else:
                path.append(self._get_root(start, half))
                start = half
        if start:
            path.append(self._get_root(start, end))
        return path[::-1]

    def _get_subroot(self, offset: int, width: int) -> bytes:
        """Each from its halves: what is known of them is not read again, so a tree that grows never reads all its leaves."""
        if width <= READ_AT_ONCE:
            return bytes(super()._get_subroot(offset, width))
        with self.lock:
            known: bytes | None = self.cache.get((offset, width))
            if known is None:
                half = width // 2
                known = _node(self._get_subroot(offset, half), self._get_subroot(offset + half, half))
                self.cache[offset, width] = known
        return known

    def _encode_entry(self, data: bytes) -> bytes:
        return data

    def _store_leaf(self, data: bytes, digest: bytes) -> int:
        raise NotImplementedError("leaves are added by their owner")

    def _get_leaf(self, index: int) -> bytes:
        return self._leaves.hashes(index, 1)[0]

    def _get_leaves(self, offset: int, width: int) -> list[bytes]:
        return list(self._leaves.hashes(offset + 1, width))

    def _get_size(self) -> int:
        return self._leaves.size()


def leaf_hash(content: bytes) -> bytes:
    """Hash of a leaf, apart from those of nodes by its first byte."""
    return hashlib.sha256(b"\x00" + content).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from(leaf: bytes, number: int, size: int, path: Sequence[bytes]) -> bytes:
    """Root of `size` leaves to which `path` leads from leaf hash `number`, counted from 1 (RFC 9162, 2.1.3.2); ProofError where the
    path has another length than theirs."""
    if not 1 <= number <= size:
        raise ProofError(f"entry {number} lies outside a ledger of {size} entries")
    place, last, found = number - 1, size - 1, leaf
    for step in path:
        if last == 0:
            raise ProofError(f"the path of entry {number} has {len(path)} hashes: too many for {size} entries")
        if place & 1 or place == last:
            found = _node(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = _node(found, step)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError(f"the path of entry {number} has {len(path)} hashes: too few for {size} entries")
    return found


def check_inclusion(leaf: bytes, number: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """ProofError unless `path` leads from leaf hash `number` (from 1) to the root of `size` leaves."""
    if root_from(leaf, number, size, path) != root:
        raise ProofError(f"entry {number} is not in this ledger as it stands here: it or its proof was changed")


def check_consistency(first: int, second: int, path: Sequence[bytes], old: bytes, new: bytes) -> None:
    """ProofError unless the tree of `second` leaves with root `new` begins with the one of `first` with root `old` (RFC 9162,
    2.1.4.2)."""
    if not 1 <= first <= second:
        raise ProofError(f"{first} and {second} entries: the earlier head has at least 1, and no more than the later")
    if first == second:
        if path or old != new:
            raise ProofError(f"two heads of {first} entries differ: the ledger told two stories")
        return
    steps = [old, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        raise ProofError("the proof is empty")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError(f"the proof has {len(path)} hashes: too many from {first} to {second} entries")
        if place & 1 or place == last:
            was, now = _node(step, was), _node(step, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = _node(now, step)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError(f"the proof has {len(path)} hashes: too few from {first} to {second} entries")
    if was != old or now != new:
        raise ProofError(f"the ledger of {second} entries does not begin with that of {first}: its past was changed")
