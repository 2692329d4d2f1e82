"""Attention as features: of customers and of products, in the lake and in Feast."""

from typing import Any

from orchestration.absence import not_provided
from orchestration.customers import ATTENTION, applied_repository
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.floor_tables import behaviour_config, no_floor
from orchestration.workspace import Workspace

PRODUCTS = "product_attention"
_CODE = ("orchestration/attention_features.py", "features/attention.py", "features/attention_repository.py",
         "features/attention_registry.py")  # fmt: skip


def build_attention(workspace: Workspace) -> dict[str, Any]:
    """Write `features/product_attention`, of groups alone, and `features/customer_attention`, as known after each visit."""
    from features.attention import as_known, build_customer_attention, build_product_day_attention

    if remedy := no_floor(workspace):
        return not_provided(remedy)
    lake, made_from = workspace.lake, fingerprint(code=_CODE, inputs=_inputs(workspace))
    versions = {name: lake.version("features", name) for name in (PRODUCTS, ATTENTION)}
    unchanged = all(version is not None and version.fingerprint == made_from for version in versions.values())
    if not unchanged:
        con = workspace.connect()
        attention, products = (lake.read("clean", name, con) for name in ("attention", "products"))
        group_min = behaviour_config(workspace.settings).group_min
        made = {
            PRODUCTS: (build_product_day_attention(attention, group_min=group_min), ("product_id", "day")),
            ATTENTION: (build_customer_attention(as_known(attention), products), ("customer_id", "moment")),
        }
        versions = {
            name: lake.write("features", name, rows, fingerprint=made_from, sort_by=keys)
            for name, (rows, keys) in made.items()
        }
    rows = {name: version.rows for name, version in versions.items() if version is not None}
    return {**rows, "unchanged": unchanged, "content_hash": lake.content_hash("features", ATTENTION)}


def carry_online(workspace: Workspace) -> dict[str, Any]:
    """Publish attention for training and carry its newest rows online."""
    from features.attention_repository import attention_states, materialise_attention, publish_attention

    if remedy := no_floor(workspace):
        return not_provided(remedy)
    made = applied_repository(workspace)
    published = Stamp(workspace.feast_customers / "attention.json")
    made_from = fingerprint(code=_CODE, inputs=_inputs(workspace))
    if not published.says(made_from):
        con, lake = workspace.connect("duckdb://"), workspace.lake
        attention, products = (lake.read("clean", name, con) for name in ("attention", "products"))
        states = attention_states(attention, products, lake.read("features", PRODUCTS, con))
        published.write(made_from, publish_attention(made, states, con=con))
    carried = materialise_attention(made.open())
    return {**published.facts(), "online": carried.series, "written": carried.written, "unchanged": not carried.written}


def _inputs(workspace: Workspace) -> dict[str, Any]:
    inputs: dict[str, Any] = {name: workspace.lake.content_hash("clean", name) for name in ("attention", "products")}
    return inputs | {"group_min": behaviour_config(workspace.settings).group_min}
