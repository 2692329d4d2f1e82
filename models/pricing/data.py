"""From tables to pricing problems: the only place that knows where they come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from models.common.protocols import DataError
from models.pricing.config import Config
from models.pricing.fresh import Goods
from models.pricing.fresh_data import MADE_UP, TABLE, read_goods
from models.pricing.guardrails import Rules
from models.pricing.instances import Instance, check_instances
from models.pricing.market import Market, build_market

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FreshGoods:
    """Fresh goods by name."""

    names: tuple[str, ...]
    goods: Goods


@dataclass(frozen=True)
class Dataset:
    """Problems, each as told (`truths`), and with an ensemble of plausible demand models to learn on (`markets`); fresh goods."""

    instances: tuple[Instance, ...]
    markets: tuple[Market, ...]
    truths: tuple[Market, ...]
    rules: Mapping[str, Rules]
    fresh: FreshGoods | None
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
    """From the Arrow tables `instances` (see `problem_table`; `rules` may be missing) and `fresh_goods` (see `goods_table`), one
    of them or both. The ensemble spans the error of elasticity by its quantiles. DataError names the table, the field and the
    bound."""
    if "instances" not in tables and TABLE not in tables:
        raise DataError(f"instances: missing: give the table of `problem_table`, or {TABLE} of `goods_table`")
    instances, limits = _problems(tables["instances"]) if "instances" in tables else ((), [])
    spread = [
        float(np.exp(cfg.elasticity_error * NormalDist().inv_cdf((number + 0.5) / cfg.ensemble)))
        for number in range(cfg.ensemble)
    ]
    content = [each.model_dump(mode="json") for each in (*instances, *limits)]
    mark = sha256(json.dumps(content, sort_keys=True).encode())
    fresh, until = None, MADE_UP
    if TABLE in tables:
        names, goods, until = read_goods(tables[TABLE])
        fresh = FreshGoods(names, goods)
        mark.update(json.dumps(names).encode())
        for each in fields(Goods):
            mark.update(np.ascontiguousarray(getattr(goods, each.name)).tobytes())
    return Dataset(
        instances=instances,
        markets=tuple(build_market(each, elasticity_factors=spread) for each in instances),
        truths=tuple(build_market(each) for each in instances),
        rules={each.name: limit for each, limit in zip(instances, limits, strict=True)},
        fresh=fresh,
        config=cfg,
        fingerprint=mark.hexdigest(),
        trained_until=until,
    )


def _problems(table: Any) -> tuple[tuple[Instance, ...], list[Rules]]:
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
    return instances, limits


def _parsed(text: Any, column: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"instances.{column}: {str(text)[:60]!r} is no JSON: write one object a row") from error
