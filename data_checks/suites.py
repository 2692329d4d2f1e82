"""Great Expectations suites made from a contract, and the one place that runs them.

`suite_on_facts` judges what the engine has counted, one column a rule: that is the gate, as fast as the engine.
`native_suite` says the same rules as row-level expectations over a frame of rows. A test holds the two against each
other, rule by rule, so that the fast way may be trusted.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data_checks.contracts import Contract
from data_checks.rules import REPAIRED, ROW_CLASS, TYPE_ERRORS, Rule

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd

ROWS = "rows"  # column of the facts frame: rows that came in
ROW_COUNT = "row_count"  # rule id of the table's least number of rows


def suite_on_facts(contract: Contract, *, provided: bool = True) -> "gx.ExpectationSuite":
    """One expectation a rule over a frame of one row: column = rule id, value = failing fraction.

    Also: every rule was judged (the columns are exactly the rules), and the table has its least number of rows unless
    its source does not provide it.
    """
    import great_expectations as gx
    import great_expectations.expectations as gxe

    expectations: list[Any] = [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=[ROWS, *(rule.rule_id for rule in contract.rules)],
            exact_match=True,
            meta={"rule_id": "every_rule_judged"},
        )
    ]
    if provided and contract.minimum_rows:
        expectations.append(
            gxe.ExpectColumnMinToBeBetween(column=ROWS, min_value=contract.minimum_rows, meta={"rule_id": ROW_COUNT})
        )
    expectations += [
        gxe.ExpectColumnMaxToBeBetween(
            column=rule.rule_id,
            max_value=rule.tolerated_fraction,
            meta={"rule_id": rule.rule_id},
            description=rule.description,
        )
        for rule in contract.rules
    ]
    return gx.ExpectationSuite(name=contract.name, expectations=expectations)


def native_suite(contract: Contract, reference_keys: Mapping[str, Sequence[Any]]) -> "gx.ExpectationSuite":
    """The same rules over rows of the classes `row` and `duplicate`, one expectation a rule with `mostly`.

    The frame has the contract's columns and the tags `_class`, `_repaired` and `_type_errors` (no tag: empty text), and
    for every expression rule a column `holds:<rule id>` that is False where a row breaks it, None where it does not
    apply (to a copy it never does). `reference_keys`: table -> keys that exist.
    """
    import great_expectations as gx

    expectations = [
        _native(
            rule,
            contract,
            reference_keys,
            {
                "mostly": 1 - rule.tolerated_fraction,
                "meta": {"rule_id": rule.rule_id},
                "description": rule.description,
            },
        )
        for rule in contract.rules
    ]
    return gx.ExpectationSuite(name=f"{contract.name}_rows", expectations=expectations)


def _native(  # noqa: PLR0911 - one way out for each kind of rule
    rule: Rule, contract: Contract, reference_keys: Mapping[str, Sequence[Any]], options: dict[str, Any]
) -> Any:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column as RowColumn

    column = rule.column or ""
    match rule.kind:
        case "required":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, **options)
        case "type":
            return gxe.ExpectColumnValuesToNotMatchRegex(column=TYPE_ERRORS, regex=rf"(?:^|; ){column}=", **options)
        case "repaired":
            return gxe.ExpectColumnValuesToNotMatchRegex(column=REPAIRED, regex=rf"{column}: ", **options)
        case "duplicate":
            return gxe.ExpectColumnValuesToBeInSet(column=ROW_CLASS, value_set=["row"], **options)
        case "allowed":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(rule.allowed), **options)
        case "pattern":
            return gxe.ExpectColumnValuesToNotMatchRegex(column=column, regex=rule.forbidden_pattern, **options)
        case "between":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=rule.minimum, max_value=rule.maximum, strict_min=rule.strict_minimum,
                strict_max=rule.strict_maximum, **options,
            )  # fmt: skip
        case "unique":
            required = [name for name in rule.columns if contract.column(name).required]
            condition: Any = RowColumn(ROW_CLASS) == "row"
            for name in required:
                condition = condition & RowColumn(name).is_not_null()
            if len(rule.columns) == 1:
                return gxe.ExpectColumnValuesToBeUnique(column=column, row_condition=condition, **options)
            return gxe.ExpectCompoundColumnsToBeUnique(
                column_list=list(rule.columns), ignore_row_if="never", row_condition=condition, **options
            )
        case "reference" if len(rule.columns) == 1:
            keys = list(reference_keys[_lookup_table(rule, contract)])
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=keys, **options)
        case _:
            return gxe.ExpectColumnValuesToBeInSet(column=holds(rule), value_set=[True], **options)


def holds(rule: Rule) -> str:
    """Name of the column of a native frame that says whether a row keeps an expression rule."""
    return f"holds:{rule.rule_id}"


def validate(suite: "gx.ExpectationSuite", frame: "pd.DataFrame", *, result_format: str = "BASIC") -> dict[str, Any]:
    """Great Expectations' result of a suite over a frame, as a JSON-able dict; nothing is stored or sent anywhere."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset(suite.name)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    result = batch.validate(suite, result_format=result_format).to_json_dict()
    plain: dict[str, Any] = json.loads(json.dumps(result, default=_plain))
    return plain


def _lookup_table(rule: Rule, contract: Contract) -> str:
    return next(lookup.table for lookup in contract.lookups if lookup.alias in rule.lookups)


def _plain(value: Any) -> Any:
    """NumPy scalars as numbers, anything else (dates, keys) as text."""
    return value.item() if hasattr(value, "item") else str(value)
