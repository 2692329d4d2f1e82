"""From tables to pricing problems: the only place that knows where they come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from models.common.protocols import DataError
from models.pricing.config import Config
from models.pricing.guardrails import Rules
from models.pricing.instances import Instance, check_instances
from models.pricing.market import Market, build_market

if TYPE_CHECKING:
    import pyarrow as pa

MADE_UP = np.datetime64("1970-01-01")  # problems told in full have no day


@dataclass(frozen=True)
class Dataset:
    """Problems, each as told (`truths`), and with an ensemble of plausible demand models to learn on (`markets`)."""

    instances: tuple[Instance, ...]
    markets: tuple[Market, ...]
    truths: tuple[Market, ...]
    rules: Mapping[str, Rules]
    config: Config
    fingerprint: str
    trained_until: np.datetime64 = MADE_UP


def problem_table(instances: Sequence[Instance], rules: Mapping[str, Rules] | None = None) -> "pa.Table":
    """The table `instances`: `problem` and `rules` as JSON texts, a row an instance."""
    import pyarrow as pa

    if unknown := sorted(set(rules or {}) - {each.name for each in instances}):
        raise DataError(
            f"rules of {unknown[0]!r}: no such problem: name one of {', '.join(each.name for each in instances)}"
        )
    limits = [(rules or {}).get(each.name, Rules()).model_dump_json() for each in instances]
    return pa.table({"problem": [each.model_dump_json() for each in instances], "rules": limits})


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """From the Arrow table `instances` (see `problem_table`); `rules` may be missing. The ensemble spans the error of
    elasticity by its quantiles. DataError names the table, the field and the bound."""
    if "instances" not in tables:
        raise DataError("instances: missing: give the table of `problem_table`")
    table = tables["instances"]
    if "problem" not in table.column_names:
        raise DataError(f"instances has columns {table.column_names}: add problem, a JSON text a row")
    told = [_parsed(text, "problem") for text in table["problem"].to_pylist()]
    instances = check_instances({"instances": told})
    texts = table["rules"].to_pylist() if "rules" in table.column_names else [None] * len(told)
    try:
        limits = [Rules() if text is None else Rules.model_validate(_parsed(text, "rules")) for text in texts]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataError(f"instances.rules: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    spread = [
        float(np.exp(cfg.elasticity_error * NormalDist().inv_cdf((number + 0.5) / cfg.ensemble)))
        for number in range(cfg.ensemble)
    ]
    content = [each.model_dump(mode="json") for each in (*instances, *limits)]
    return Dataset(
        instances=instances,
        markets=tuple(build_market(each, elasticity_factors=spread) for each in instances),
        truths=tuple(build_market(each) for each in instances),
        rules={each.name: limit for each, limit in zip(instances, limits, strict=True)},
        config=cfg,
        fingerprint=sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
    )


def _parsed(text: Any, column: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"instances.{column}: {str(text)[:60]!r} is no JSON: write one object a row") from error
