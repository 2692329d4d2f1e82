"""Image sets in the loop: each one judged where something changed, shown to people, and what a report says of its labels."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.image_pictures import markdown
from orchestration.image_sets import ImageSetError, ImageSets, image_sets_of
from orchestration.ingest import TableOutcome
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from orchestration.image_sets import TakenIn

REMEDY = "no image set was taken in: `storeloop images import NAME KIND:PATH`"
NO_REPORT = "no report on its labels yet: `storeloop images labels {name} PREDICTIONS.parquet`"


def judge_sets(workspace: Workspace) -> TableOutcome:
    """Every set through the gate; passed where each one is. A delivery that is gone or cannot be read refuses its set."""
    from sources.base import SourceError

    sets = image_sets_of(workspace)
    if not sets.names():
        return TableOutcome(True, {**not_provided(REMEDY), "sets": 0}, {"note": REMEDY})
    taken: dict[str, TakenIn] = {}
    broken: list[str] = []
    for name in sets.names():
        try:
            taken[name] = sets.judged(name)
            broken += [f"{name}: {line}" for line in taken[name].broken]
        except SourceError as error:
            broken.append(f"{name}: {error}")
    facts: dict[str, Any] = {
        "sets": len(sets.names()),
        "refused": len(sets.names()) - sum(t.passed for t in taken.values()),
    }
    for count in ("good", "quarantined"):
        facts |= {
            f"{what}, {count}": sum(one.counts[table][count] for one in taken.values())
            for what, table in (("pictures", "images"), ("labels", "image_labels"))
        }
    digest = sha256("".join(f"{name}{_content(sets, name)}" for name in sorted(taken)).encode()).hexdigest()
    metadata = {**facts, "content_hash": digest, **_shown(sets, taken)}
    if not broken:
        return TableOutcome(True, metadata, facts)
    remedy = (
        "read the set's pages, then `storeloop images quarantine --set NAME release` or `reject` rows, or mend its delivery and "
        "import it"
    )
    return TableOutcome(False, metadata, {**facts, "broken": broken, "remedy": remedy})


def report_sets(workspace: Workspace) -> dict[str, Any]:
    """The last report on the labels of each set, as evidence: figures, words and pictures."""
    sets = image_sets_of(workspace)
    if not sets.names():
        return not_provided(REMEDY)
    metadata: dict[str, Any] = {}
    for name in sets.names():
        report = sets.label_report(name)
        if report is None:
            metadata[name] = NO_REPORT.format(name=name)
            continue
        for metric in ("labels", "suspicious labels", "suspicious share"):
            if metric in report.metrics():
                metadata[f"{metric}, {name}"] = report.value(report.champion, metric)
        metadata[name] = markdown(report.to_markdown(report.segments()), *report.plots.values())
    return metadata


def _shown(sets: ImageSets, taken: "dict[str, TakenIn]") -> dict[str, Any]:
    """A table of the sets, and of each one that passed a sheet of its pictures."""
    from orchestration.image_pictures import contact_sheet

    lines = ["| set | verdict | pictures | labels | in quarantine | pages |", "|---|---|---|---|---|---|"]
    sheets: dict[str, Any] = {}
    for name, outcome in taken.items():
        pictures, labels = outcome.counts["images"], outcome.counts["image_labels"]
        held = pictures["quarantined"] + labels["quarantined"]
        verdict = "passed" if outcome.passed else "**refused**"
        lines.append(f"| {name} | {verdict} | {pictures['good']:,} | {labels['good']:,} | {held:,} | {outcome.site} |")
        if outcome.passed:
            sheets[f"pictures of {name}"] = markdown("", contact_sheet(sets.open(name)))
    return {"overview": markdown("\n".join(lines)), **sheets}


def _content(sets: ImageSets, name: str) -> str:
    """Digest of the rows that a model may read; what a refused set holds is nobody's to read."""
    try:
        opened = sets.open(name)
    except ImageSetError:
        return "refused"
    rows = [opened.label_classes.to_pylist(), opened.images.to_pylist(), opened.image_labels.to_pylist()]
    return sha256(repr(rows).encode()).hexdigest()
