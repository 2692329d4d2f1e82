"""Prices of electronic shelf labels, without a network: situations of shelves in, one file of label prices out.

A situation is decided once, whatever is killed or run again. Where no bundle opens, the rules of the last one that did are
kept to, and each price says so in `served_by`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from edge.bundle import MANIFEST, SIGNATURE, BundleError, BundleManifest, trusted
from edge.files import locked, sweep_unfinished, write_whole
from edge.label_situations import Shown, Situation, to_shelf
from edge.label_store import LabelStore, PriceDecision
from edge.outbox import OutboxError
from edge.pricing import LADDERS, PricingBot
from edge.runtime import EdgeRuntime, RuntimeConfig, open_box
from edge.update import BUNDLES
from models.common.protocols import InputError
from models.pricing.ladder import ladders_of_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LABELS_FILE, LOCK_FILE, RULES_FILE = "labels.json", "labels.lock", "rules.json"
AT_ONCE = 1_000  # shelves a call of the model
READABLE = 0o644


class KeptRules(BaseModel):
    """Content of `rules.json`: the signed manifest of the last bundle that opened, and the ladders that it names by hash, which tell
    the rules of each market and good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: str
    signature: str
    ladders: str


@dataclass
class Report:
    """What a pass did: situations decided now and known from before, prices by who gave them, clipped ones by rule, and
    what was refused, (id, reason)."""

    decided: int = 0
    known: int = 0
    served_by: Counter[str] = field(default_factory=Counter)
    clipped: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""

    def add(self, other: "Report") -> None:
        """What another pass did, too."""
        self.decided, self.known = self.decided + other.decided, self.known + other.known
        self.served_by.update(other.served_by)
        self.clipped.update(other.clipped)
        self.refused += other.refused
        self.problem = other.problem or self.problem

    def told(self) -> dict[str, Any]:
        """Ready for JSON."""
        refused = [{"id": name, "reason": reason} for name, reason in self.refused]
        counts = {"served_by": dict(self.served_by), "clipped": dict(self.clipped)}
        return {"decided": self.decided, "known": self.known, **counts, "refused": refused, "problem": self.problem}


def open_prices(home: Path, key: "Ed25519PublicKey", config: RuntimeConfig | None = None) -> EdgeRuntime:
    """Open the bundle under `home`; where none opens, the rules of the last one that did. BundleError when there are none."""
    try:
        runtime = open_box(home, key, config)
    except Exception as error:  # whatever a bad bundle raises, the labels go on
        return _rules_alone(home, key, error, config)
    if runtime.manifest.bot != "pricing":
        runtime.close()
        raise BundleError(
            f"{home} runs the {runtime.manifest.bot}: labels need a bundle of pricing; give another --home"
        )
    folder = home / BUNDLES / runtime.manifest.folder_name
    parts = ((folder / name).read_text(encoding="utf-8") for name in (MANIFEST, SIGNATURE, LADDERS))
    kept = KeptRules(**dict(zip(("manifest", "signature", "ladders"), parts, strict=True)))
    _write_changed(home / RULES_FILE, kept.model_dump_json().encode())
    return runtime


def _rules_alone(home: Path, key: "Ed25519PublicKey", problem: Exception, config: RuntimeConfig | None) -> EdgeRuntime:
    file = home / RULES_FILE
    try:
        kept = KeptRules.model_validate_json(file.read_bytes())
        manifest = trusted(kept.manifest.encode(), kept.signature.encode(), key, file)
        ladders = ladders_of_bytes(_signed(manifest, LADDERS, kept.ladders.encode(), file), file)
        bot = PricingBot(ladders, None, problem=str(problem))
    except (OSError, KeyError, ValueError) as error:
        raise BundleError(
            f"no bundle opens ({problem}) and no rules are kept ({error}): labels stay as they are; install a bundle"
        ) from problem
    return EdgeRuntime(bot, manifest, config or RuntimeConfig())


def _signed(manifest: BundleManifest, name: str, content: bytes, file: Path) -> bytes:
    """`content`, as long as it is what was signed as the bundle's file `name`."""
    told = manifest.files[name].sha256
    if (found := hashlib.sha256(content).hexdigest()) != told:
        raise BundleError(f"{file}: {name} of SHA-256 {found}, {told} is signed: install a bundle")
    return content


def reprice(home: Path, runtime: EdgeRuntime, situations: Sequence[Situation], *, now: datetime) -> Report:
    """Decide the situations that are new, and write the prices of all labels to `labels.json`.

    What is decided lies on the disk, all of it or nothing, before the labels move: a pass after a kill ends what the killed one
    began.
    """
    store, report = LabelStore(home), Report()
    with locked(home / LOCK_FILE):
        sweep_unfinished(home / LABELS_FILE)
        new = _new(store, situations, report)
        last_good = store.last_good({each.shown for each in new.values()})
        alike: dict[str, list[Situation]] = {}
        for each in new.values():
            alike.setdefault(each.market, []).append(each)
        decided = {}
        for those in alike.values():
            for first in range(0, len(those), AT_ONCE):
                for each, reply in _answered(runtime, those[first : first + AT_ONCE], last_good, report):
                    decided[each.id] = _decision(each, reply, now)
        # In the order of the file, whatever the market: the last one on a label is what it shows.
        store.record([(decided[name], each.digest()) for name, each in new.items() if name in decided])
        report.decided = len(decided)
        report.served_by.update(each.served_by for each in decided.values())
        report.clipped.update(each.rule for each in decided.values() if each.rule)
        try:
            store.hand_over()
        except OutboxError as error:  # the shop sells on; the decisions wait where they are
            report.problem = str(error)
        _write_labels(home, store)
    return report


def _new(store: LabelStore, situations: Sequence[Situation], report: Report) -> dict[str, Situation]:
    """Situations that were never decided, by id."""
    known, new = store.known(each.id for each in situations), {}
    for each in situations:
        digest = each.digest()
        if each.id not in known:
            known[each.id], new[each.id] = digest, each
        elif known[each.id] == digest:
            report.known += 1
        else:
            report.refused.append((each.id, "id: given before with another content: give each situation its own"))
    return new


def _answered(
    runtime: EdgeRuntime, asked: Sequence[Situation], last_good: Mapping[Shown, float], report: Report
) -> list[tuple[Situation, dict[str, Any]]]:
    """Each situation with its reply; one by one where a wrong one spoils the call of all."""
    try:
        shelves = [to_shelf(each, last_good.get(each.shown)) for each in asked]
        reply = runtime.answer({"market": asked[0].market, "shelves": shelves})
    except InputError as error:
        if len(asked) == 1:
            report.refused.append((asked[0].id, str(error)))
            return []
        return [row for each in asked for row in _answered(runtime, [each], last_good, report)]
    report.problem = reply.get("problem", report.problem)
    head = {name: reply[name] for name in ("served_by", "revision")}
    return [(each, head | row) for each, row in zip(asked, reply["shelves"], strict=True)]


def _decision(asked: Situation, reply: Mapping[str, Any], now: datetime) -> PriceDecision:
    source = f":{reply['source']}" if "source" in reply else ""
    return PriceDecision(
        event_id=asked.id,
        label=asked.label,
        market=asked.market,
        good=asked.shown.good or None,
        before=asked.before,
        served_by=f"{reply['served_by']}{source}",
        decided_at=now,
        outside=tuple(each["variable"] for each in reply.get("outside", ())),
        **{name: reply[name] for name in ("price", "wanted", "rule", "yielded", "reference", "revision")},
    )


def _write_labels(home: Path, store: LabelStore) -> None:
    rows = {}
    for label, decision in sorted(store.labels().items()):
        rest = {name: value for name, value in decision.items() if name not in {"event_id", "label"}}
        rows[label] = {"situation": decision["event_id"], **rest}
    _write_changed(home / LABELS_FILE, (json.dumps({"format": 1, "labels": rows}, indent=1) + "\n").encode())


def _write_changed(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        write_whole(file, content, mode=READABLE)
