"""Reads one Open Data Contract Standard file into a `Contract`.

Standard fields carry everything they can: bounds stand in `logicalTypeOptions`, allowed values and forbidden patterns
in `invalidValues`, references in `relationships`, other rules in `sql` checks, tolerated failures in
`mustBeLessOrEqualTo` with `unit: percent`. What the standard has no field for (unit, currency, what is known ahead)
stands in `customProperties`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_checks.column_types import BINARY_FORMAT, TYPE_NAMES, TYPE_OF_LOGICAL
from data_checks.contract import RAW, SUFFIX, Column, Contract, ContractError, Freshness
from data_checks.rules import (
    Lookup,
    Rule,
    allowed_rule,
    between_rule,
    duplicate_rule,
    expression_rule,
    pattern_rules,
    reference_rule,
    required_rule,
    type_rule,
    unique_rule,
)
from data_checks.sql_rules import merge_lookups, parse_query

MAX_RULES = 62  # which rules a row breaks is kept in one signed 64-bit mask
VERSION = "v3.1.0"
_BOUNDS = {"minimum": (0, False), "exclusiveMinimum": (0, True), "maximum": (1, False), "exclusiveMaximum": (1, True)}


def read_contract(path: Path) -> Contract:
    """The contract in a file. Errors: ContractError naming file, field, value and remedy."""
    import pydantic
    import yaml
    from open_data_contract_standard.model import OpenDataContractStandard

    text = path.read_text(encoding="utf-8")
    try:
        document = OpenDataContractStandard.from_string(text)
    except (yaml.YAMLError, pydantic.ValidationError, TypeError) as error:
        raise ContractError(f"{path}: not an Open Data Contract Standard file: {error}") from error
    return _Reader(path, document, text).contract()


class _Reader:
    def __init__(self, path: Path, document: Any, text: str) -> None:
        self.path, self.document, self.text = path, document, text
        self.name = path.name.removesuffix(SUFFIX)
        self.lenient = self.name.endswith(RAW)
        if document.apiVersion != VERSION:
            raise self.error("apiVersion", document.apiVersion, f"write {VERSION}")
        if not document.schema_ or len(document.schema_) != 1:
            raise self.error("schema", len(document.schema_ or ()), "describe exactly one table a file")
        self.table = document.schema_[0]
        if self.table.name != self.name:
            raise self.error("schema[0].name", self.table.name, f"name the table as the file: {self.name}")
        self.properties = self.table.properties or []
        if not self.properties:
            raise self.error("schema[0].properties", None, "list the columns")
        self.custom = _custom(document)
        self.tolerated = self.fraction("customProperties.toleratedFraction", self.custom.get("toleratedFraction", 0.0))

    def error(self, field: str, value: object, remedy: str) -> ContractError:
        return ContractError(f"{self.path}: {field} is {value!r}: {remedy}")

    def contract(self) -> Contract:
        columns = tuple(self.column(p) for p in self.properties)
        names = [c.name for c in columns]
        for name in names:
            if names.count(name) > 1:
                raise self.error("schema[0].properties", name, "name each column once")
        keyed = sorted((p for p in self.properties if p.primaryKey), key=lambda p: p.primaryKeyPosition or 0)
        primary_key = tuple(str(p.name) for p in keyed)
        if not primary_key and not self.lenient:
            raise self.error("primaryKey", None, "mark the columns of the key with primaryKey and primaryKeyPosition")
        lookups, rules = ((), ()) if self.lenient else self.rules(columns, primary_key)
        partitions = [p.name for p in self.properties if p.partitioned]
        document, prose, team = self.document, self.document.description, self.document.team
        for field, value in (
            ("description.purpose", prose and prose.purpose),
            ("team.name", getattr(team, "name", None)),
        ):
            if not value:
                raise self.error(field, value, "a steward needs it: fill it in")
        return Contract(
            name=self.name,
            title=document.name or self.name,
            version=document.version or "",
            status=document.status or "",
            purpose=prose.purpose,
            usage=prose.usage or "",
            limitations=prose.limitations or "",
            granularity=self.table.dataGranularityDescription or "",
            domain=document.domain or "",
            owner=team.name,
            contact=", ".join(m.username for m in team.members or () if m.username),
            currency=str(self.custom.get("currency", "")),
            tolerated_fraction=self.tolerated,
            known_ahead=self.known_ahead("customProperties", self.custom),
            columns=columns,
            primary_key=primary_key,
            partition_by=partitions[0] if partitions else None,
            minimum_rows=self.minimum_rows(),
            freshness=self.freshness(names),
            lookups=lookups,
            rules=rules,
            text=self.text,
        )

    def column(self, prop: Any) -> Column:
        field = f"column {prop.name}"
        column_type = TYPE_OF_LOGICAL.get(prop.logicalType or "")
        if column_type is None:
            raise self.error(
                f"{field}: logicalType", prop.logicalType, f"use one of {', '.join(sorted(TYPE_OF_LOGICAL))}"
            )
        if column_type == "str" and (prop.logicalTypeOptions or {}).get("format") == BINARY_FORMAT:
            column_type = "bytes"
        physical = "ANY" if self.lenient else TYPE_NAMES[column_type].duckdb
        if prop.physicalType != physical:
            raise self.error(f"{field}: physicalType", prop.physicalType, f"{prop.logicalType} is stored as {physical}")
        if not prop.description:
            raise self.error(
                f"{field}: description", prop.description, "say what it means to someone who reads it first"
            )
        custom = _custom(prop)
        unit = custom.get("unit")
        if column_type in ("int", "float") and not unit:
            raise self.error(
                f"{field}: customProperties.unit", unit, "a number has a unit; write `count` or `fraction` if pure"
            )
        known_ahead = self.known_ahead(field, {**self.custom, **custom})
        examples = tuple(str(example) for example in prop.examples or ())
        return Column(prop.name, column_type, prop.description, bool(prop.required), unit, known_ahead, examples)

    def known_ahead(self, field: str, custom: dict[str, Any]) -> str:
        value = str(custom.get("knownAhead", "never"))
        names = [p.name for p in self.properties]
        if value not in ("never", "always", *names):
            raise self.error(f"{field}: knownAhead", value, "write never, always, or the column that says from when")
        return value

    def rules(
        self, columns: tuple[Column, ...], primary_key: tuple[str, ...]
    ) -> tuple[tuple[Lookup, ...], tuple[Rule, ...]]:
        required = tuple(c.name for c in columns if c.required and c.name in primary_key)
        rules = [
            duplicate_rule(self.quality(self.table.quality, "duplicateValues")),
            unique_rule(primary_key, required, self.tolerated),
        ]
        lookups: list[Lookup] = []
        for prop, column in zip(self.properties, columns, strict=True):
            rules += self.column_rules(prop, column)
            for relation in prop.relationships or ():
                rules.append(self.reference(lookups, relation, (prop.name,), [relation.to]))
        for relation in self.table.relationships or ():
            own = tuple(self.own_column(name) for name in _listed(relation.from_))
            rules.append(self.reference(lookups, relation, own, _listed(relation.to)))
        for check in self.table.quality or ():
            if check.type == "sql":
                rules.append(self.expression(lookups, check, columns))
        ids = [rule.rule_id for rule in rules]
        for rule_id in ids:
            if ids.count(rule_id) > 1:
                raise self.error("quality", rule_id, "give each rule an id of its own")
        if len(rules) > MAX_RULES:
            raise self.error("quality", len(rules), f"a table has at most {MAX_RULES} rules: split it or join rules")
        return tuple(lookups), tuple(rules)

    def column_rules(self, prop: Any, column: Column) -> Iterable[Rule]:
        field, name, checks = f"column {prop.name}", column.name, prop.quality or ()
        if column.type != "str":
            said = "a file" if column.type == "bytes" else TYPE_NAMES[column.type].logical
            yield type_rule(name, said, self.tolerated)
        if column.required:
            yield required_rule(name, self.quality(checks, "nullValues"))
        options = {} if column.type == "bytes" else prop.logicalTypeOptions or {}
        bounds: list[float | None] = [None, None]
        strict = [False, False]
        for option, value in options.items():
            if option not in _BOUNDS or column.type not in ("int", "float"):
                raise self.error(
                    f"{field}: logicalTypeOptions", option, f"numbers take {', '.join(_BOUNDS)}; nothing else is read"
                )
            side, strict_side = _BOUNDS[option]
            bounds[side], strict[side] = value, strict_side
        custom = _custom(prop)
        tolerated = self.fraction(f"{field}: toleratedFraction", custom.get("toleratedFraction", self.tolerated))
        if options:
            yield between_rule(name, bounds[0], bounds[1], (strict[0], strict[1]), tolerated)
        for check in checks:
            arguments = check.arguments or {}
            if check.metric == "invalidValues" and "validValues" in arguments:
                values = tuple(str(value) for value in arguments["validValues"])
                yield allowed_rule(name, values, self.tolerance(check), check.description)
            elif check.metric == "invalidValues" and "forbiddenPattern" in arguments:
                repairs = self.fraction(
                    f"{field}: toleratedRepairs", _custom(check).get("toleratedRepairs", self.tolerated)
                )
                text = check.description or f"{name} does not match {arguments['forbiddenPattern']}."
                yield from pattern_rules(name, arguments["forbiddenPattern"], self.tolerance(check), repairs, text)
            elif check.metric != "nullValues":
                raise self.error(
                    f"{field}: quality", check.metric or check.type, "columns take nullValues and invalidValues"
                )

    def reference(self, lookups: list[Lookup], relation: Any, own: tuple[str, ...], targets: list[Any]) -> Rule:
        parts = [str(target).split(".") for target in targets]
        tables = {part[0] for part in parts}
        if len(tables) != 1 or any(len(part) != 2 for part in parts) or len(parts) != len(own):
            raise self.error(
                "relationships.to", targets, "write table.column, one for each own column, all of one table"
            )
        on = tuple((mine, part[1]) for mine, part in zip(own, parts, strict=True))
        table = tables.pop()
        lookup = Lookup(relation.id or table, table, on, ())
        try:
            merge_lookups(lookups, [lookup])
        except ValueError as error:
            raise self.error("relationships.id", lookup.alias, str(error)) from error
        custom = _custom(relation)
        tolerated = self.fraction("relationships: toleratedFraction", custom.get("toleratedFraction", self.tolerated))
        return reference_rule(lookup, tolerated, custom.get("description"))

    def own_column(self, name: str) -> str:
        column = str(name).removeprefix(f"{self.name}.")
        if column not in [p.name for p in self.properties]:
            raise self.error("relationships.from", name, f"name a column as {self.name}.<column>")
        return column

    def expression(self, lookups: list[Lookup], check: Any, columns: tuple[Column, ...]) -> Rule:
        if not check.name:
            raise self.error("quality.name", check.name, "name the rule: the quarantine shows it")
        if not check.query:
            raise self.error(f"quality {check.name}: query", check.query, "a sql rule needs its query")
        if not check.description:
            raise self.error(f"quality {check.name}: description", None, "say in a sentence what has to hold")
        try:
            condition, used = parse_query(check.query, self.name, tuple(c.name for c in columns))
            merge_lookups(lookups, used.lookups)
        except ValueError as error:
            raise self.error(f"quality {check.name}: query", check.query, str(error)) from error
        aliases = tuple(lookup.alias for lookup in used.lookups)
        return expression_rule(
            check.name, used.columns, condition, self.tolerance(check), check.description,
            check.dimension or "consistency", aliases,
        )  # fmt: skip

    def quality(self, checks: Iterable[Any] | None, metric: str) -> float:
        """Tolerated fraction that the check of that metric states, else the contract's own."""
        for check in checks or ():
            if check.metric == metric:
                return self.tolerance(check)
        return self.tolerated

    def tolerance(self, check: Any) -> float:
        field = f"quality {check.name or check.metric}"
        if check.unit != "percent" or check.mustBeLessOrEqualTo is None:
            raise self.error(field, check.unit, "state what is tolerated as `unit: percent` and `mustBeLessOrEqualTo`")
        return self.fraction(f"{field}: mustBeLessOrEqualTo / 100", check.mustBeLessOrEqualTo / 100)

    def fraction(self, field: str, value: Any) -> float:
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.error(field, value, "a fraction lies between 0 and 1")
        return float(value)

    def minimum_rows(self) -> int:
        for check in self.table.quality or ():
            if check.metric == "rowCount":
                if check.mustBeGreaterOrEqualTo is None:
                    raise self.error("quality rowCount", None, "state mustBeGreaterOrEqualTo")
                return int(check.mustBeGreaterOrEqualTo)
        return 0

    def freshness(self, names: list[str]) -> Freshness | None:
        for sla in self.document.slaProperties or ():
            if sla.property == "latency":
                column = str(sla.element or "").removeprefix(f"{self.name}.")
                if column not in names or sla.unit not in ("d", "day", "days"):
                    raise self.error(
                        "slaProperties latency", f"{sla.element} in {sla.unit}", "name an own column and days"
                    )
                return Freshness(column, float(sla.value))
        return None


def _custom(node: Any) -> dict[str, Any]:
    return {p.property: p.value for p in node.customProperties or ()}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
