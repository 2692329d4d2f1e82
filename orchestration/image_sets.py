"""Taking in an image set: read every picture, let the gate judge each table, set aside what broke a rule, keep the rest.

One set, one folder `<home>/image_sets/<name>/`: `set/` is what models may read, beside it quarantine, history and pages of
the gate, and `label_issues.parquet` and `label_report.json` once a report on label quality was written. Sets have no part in
the daily job.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from data_checks.gate_result import GateResult
    from models.common.report import Report
    from orchestration.workspace import Workspace
    from sources.images.image_set import ImageSet

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_SPEC, _SET, _JUDGED, _PRODUCTS = "delivery.json", "set", "judged", "products"
_CODE = ("orchestration/image_sets.py", "sources/images", "sources/adapters", "data_checks", "features/cleaning.py")
_OUTCOME, _REPORT = "outcome.json", "label_report.json"
_CLASSES = "label_classes"
_REPORTED = (_CLASSES, "images", "image_labels")
_PLAUSIBLE = "label_is_plausible"  # the rule that a report on labels feeds


class ImageSetError(ValueError):
    """A set that cannot be used; the message names the set, what stops it and the remedy."""


@dataclass(frozen=True)
class TakenIn:
    """What the gate said of one delivery: `passed` as a whole, counts by table, and what stops it."""

    name: str
    passed: bool
    counts: Mapping[str, Mapping[str, int]]
    broken: tuple[str, ...]
    notes: tuple[str, ...]
    site: Path


@dataclass(frozen=True)
class ImageSets:
    """Every image set under one home. `products` are the ids that classes may name; None where there is no catalogue."""

    home: Path
    products: frozenset[str] | None = None

    def folder(self, name: str) -> Path:
        """Where a set and its judgements lie. Errors: ImageSetError for an unusable name."""
        if not _NAME.fullmatch(name):
            raise ImageSetError(f"image set {name!r}: use 1 to 60 lower-case letters, digits, '_' or '-'")
        return self.home / "image_sets" / name

    def names(self) -> tuple[str, ...]:
        """Names of the sets that were ever delivered."""
        return tuple(sorted(path.parent.name for path in (self.home / "image_sets").glob(f"*/{_SPEC}")))

    def take_in(self, name: str, spec: str | None = None) -> TakenIn:
        """Judge the delivery that `spec` describes (see `sources.images.open`), and keep its good rows if it passes.

        Without `spec` the set's last delivery is judged again, as after a steward's release or a new report on labels.
        Where the gate refuses, the set of before stays and can be looked at, but `open` refuses it. Errors: SourceError for
        a delivery that cannot be read at all.
        """
        from data_checks.durable import locked, replace_file
        from sources.images.open import open_images

        folder = self.folder(name)
        spec = spec or self._last_spec(name)
        made_from = _fingerprint(folder, spec)
        rows = open_images(spec)
        tables = rows.tables()
        named = sorted(set(filter(None, tables[_CLASSES]["product_id"].to_pylist())))
        with locked(folder):
            replace_file(folder / _SPEC, lambda path: path.write_text(json.dumps({"spec": spec}), encoding="utf-8"))
            results = _judged(folder, tables, self.products)
            _keep_for_report(folder, results)
            passed = all(result.success for result in results.values())
            if passed:
                _replace(folder, rows.root, {table: result.good.to_pyarrow() for table, result in results.items()})
            outcome = TakenIn(
                name=name,
                passed=passed,
                counts={table: dict(result.counts) for table, result in results.items()},
                broken=tuple(_broken(results)),
                notes=tuple(sorted({fact.note for result in results.values() for fact in result.facts if fact.note})),
                site=folder / "site",
            )
            told = {
                "named": named,
                "unknown": self._unknown(named),
                "outcome": {**vars(outcome), "site": str(outcome.site)},
            }
            kept = json.dumps({"made_from": made_from, **told})
            replace_file(folder / _OUTCOME, lambda path: path.write_text(kept, encoding="utf-8"))
        return outcome

    def judged(self, name: str) -> TakenIn:
        """What the gate says of a set's last delivery: judged again if that changed which `is_current` names. Errors: as
        `take_in`."""
        if not self.is_current(name, self._last_spec(name)):
            return self.take_in(name)
        told = self._kept(name)["outcome"]
        listed = {key: tuple(told[key]) for key in ("broken", "notes")}
        return TakenIn(**{**told, **listed, "site": Path(told["site"])})

    def is_current(self, name: str, spec: str) -> bool:
        """Whether the last judgement of a set stands: on this delivery with its files as they are, a steward's decisions, the
        report on its labels, the rules, and those products of its classes that the catalogue lacks."""
        known = self._kept(name)
        return bool(known) and (
            known["made_from"] == _fingerprint(self.folder(name), spec)
            and known["unknown"] == self._unknown(known["named"])
        )

    def open(self, name: str) -> "ImageSet":
        """A set for a model to learn from. Errors: ImageSetError for an unknown set, or one that the gate refuses."""
        from data_checks.validation_history import ValidationHistory
        from sources.images.image_set import TABLES, read_image_set

        folder = self.folder(name)
        self._last_spec(name)
        history = ValidationHistory(folder)
        for table in TABLES:
            runs = history.runs(table)
            if not runs or not runs[-1].success:
                raise ImageSetError(
                    f"image set {name}: the gate refuses {table}; see {folder / 'site' / f'table-{table}.html'}, release or "
                    "reject rows or mend the delivery, then take it in again"
                )
        return read_image_set(folder / _SET)

    def to_report(self, name: str) -> "dict[str, pa.Table]":
        """Rows of the last delivery that keep every rule, save that an earlier report may have found labels suspicious: what a
        new report judges, whether the set passed or not. Errors: ImageSetError for a delivery that was not judged to the end."""
        import pyarrow.parquet as pq

        self._last_spec(name)
        folder = self.folder(name) / _JUDGED
        if missing := [table for table in _REPORTED if not (folder / f"{table}.parquet").is_file()]:
            raise ImageSetError(
                f"image set {name}: no judged {', '.join(missing)}; judge it again, `storeloop images import {name}`"
            )
        return {table: pq.read_table(folder / f"{table}.parquet", partitioning=None) for table in _REPORTED}

    def report_labels(self, name: str, issues: "pa.Table", report: "Report | None" = None) -> TakenIn:
        """Put what a report found beside the set and judge its last delivery by it: suspicious labels go to quarantine,
        and too many of them stop the set. Errors: SourceError for issues that are not as their contract."""
        from data_checks.durable import replace_file
        from sources.images.image_set import write_issues

        folder = self.folder(name)
        write_issues(folder, issues)
        (folder / _REPORT).unlink(missing_ok=True)  # an older report says nothing of these issues
        if report is not None:
            replace_file(folder / _REPORT, lambda path: path.write_text(report.to_json(), encoding="utf-8"))
        return self.take_in(name)

    def label_report(self, name: str) -> "Report | None":
        """The last report on the labels of a set; None where there is none. Errors: ImageSetError for an unknown set."""
        from models.common.report import Report

        self._last_spec(name)
        path = self.folder(name) / _REPORT
        return Report.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None

    def _kept(self, name: str) -> dict[str, Any]:
        path = self.folder(name) / _OUTCOME
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _unknown(self, named: Iterable[str]) -> list[str] | None:
        return None if self.products is None else sorted(set(named) - self.products)

    def _last_spec(self, name: str) -> str:
        path = self.folder(name) / _SPEC
        if not path.is_file():
            known = ", ".join(self.names()) or "none"
            raise ImageSetError(f"no image set {name!r}; there are {known}; take one in with `storeloop images import`")
        return str(json.loads(path.read_text(encoding="utf-8"))["spec"])


def image_sets_of(workspace: "Workspace") -> ImageSets:
    """The sets of a workspace's home, held against its catalogue; before its products were taken in there is none."""
    lake = workspace.lake
    version = lake.version("clean", _PRODUCTS)
    if version is None or not version.rows:
        return ImageSets(workspace.settings.home)
    ids = lake.arrow("clean", _PRODUCTS, ["product_id"])["product_id"].to_pylist()
    return ImageSets(workspace.settings.home, frozenset(ids))


def _fingerprint(folder: Path, spec: str) -> str:
    """Of all that a judgement stands on but the catalogue: files (their contents are not read), decisions, issues, rules."""
    from data_checks.quarantine import Quarantine
    from orchestration.fingerprints import fingerprint
    from sources.images.image_set import ISSUES, TABLES
    from sources.images.open import delivered_files

    quarantine, issues = Quarantine(folder), folder / f"{ISSUES}.parquet"
    inputs = {
        "spec": spec,
        "files": delivered_files(spec),
        "decisions": {table: sorted(map(str, quarantine.decisions(table).verdicts.to_pylist())) for table in TABLES},
        "issues": sha256(issues.read_bytes()).hexdigest() if issues.is_file() else None,
    }
    return fingerprint(code=_CODE, inputs=inputs)


def _judged(folder: Path, raw: "Mapping[str, pa.Table]", products: frozenset[str] | None) -> "dict[str, GateResult]":
    """Every table tagged and judged, failing rows in quarantine, runs in history, pages written."""
    import ibis
    import pyarrow as pa

    from data_checks.contracts import load_contract
    from data_checks.docs_site import build_site
    from data_checks.gate import judge
    from data_checks.quarantine import WHOLE, Quarantine
    from data_checks.validation_history import ValidationHistory
    from features.cleaning import tag_table
    from sources.images.image_set import ISSUES, read_issues

    con = ibis.duckdb.connect()
    quarantine, history = Quarantine(folder), ValidationHistory(folder)
    references: dict[str, Any] = {}
    if products is not None:
        references[_PRODUCTS] = ibis.memtable(pa.table({"product_id": pa.array(sorted(products), pa.string())}))
    if (issues := read_issues(folder)) is not None:
        references[ISSUES] = ibis.memtable(issues)
    results = {}
    for table, rows in raw.items():
        contract = load_contract(table)
        result = judge(
            tag_table(ibis.memtable(rows), contract),
            contract,
            references=references,
            decisions=quarantine.decisions(table),
            con=con,
        )
        quarantine.write(table, WHOLE, result.failing)
        history.record(result, run_id=f"run-{len(history.runs(table)) + 1}")
        results[table] = result
        references[table] = result.good
    build_site(folder / "site", history=history, quarantine=quarantine)
    return results


def _keep_for_report(folder: Path, results: "Mapping[str, GateResult]") -> None:
    """Good rows, and rows that are held for nothing but an earlier report: a better model is to judge them again."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from data_checks.durable import replace_file

    for table in _REPORTED:
        good, held = results[table].good.to_pyarrow(), results[table].quarantined
        alone = pa.array([rules == [_PLAUSIBLE] for rules in held["rules"].to_pylist()], pa.bool_())
        kept = held.filter(alone).select(good.column_names)
        typed = pa.table([pc.cast(kept[field.name], field.type) for field in good.schema], schema=good.schema)
        rows = pa.concat_tables([good, typed])
        replace_file(folder / _JUDGED / f"{table}.parquet", lambda path, rows=rows: pq.write_table(rows, path))


def _replace(folder: Path, root: Path, tables: "Mapping[str, pa.Table]") -> None:
    """The new set in the place of the old one; a kill leaves one of them whole, under `set` or `set.old`."""
    from sources.images.image_set import write_image_set

    target, fresh, old = folder / _SET, folder / f"{_SET}.new", folder / f"{_SET}.old"
    shutil.rmtree(fresh, ignore_errors=True)
    write_image_set(fresh, root, tables)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _broken(results: "Mapping[str, GateResult]") -> list[str]:
    return [
        f"{table} {fact.rule_id}: {fact.failing} of {fact.rows} rows fail ({fact.failing_fraction:.2%}), "
        f"{fact.tolerated_fraction:.2%} are tolerated. {fact.description}"
        for table, result in results.items()
        for fact in result.broken_rules
    ] + [
        f"{table}: the table is empty"
        for table, result in results.items()
        if not result.success and not result.counts["in"]
    ]
