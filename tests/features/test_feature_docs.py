"""Every feature that comes out is documented, and the twin has at least two hundred of them a day."""

import pytest

from features.attention_registry import ATTENTION_FEATURES
from features.customer_registry import CUSTOMER_FEATURES
from features.feature_docs import feature_page
from features.feature_spec import GROUPS, Frequency
from features.known_ahead import KNOWN_AHEAD
from features.state import STATE_FEATURES, state_feature_names
from models.forecaster.inputs import feature_sources
from sources.open import TwinOptions, open_source

UNITS = {"sales", "share", "ratio", "periods", "days", "count", "flag", "currency", "Cel", "mm", "code"}
ALL = ("prices", "promotions", "inventory", "weather", "social_heat")


def test_the_twin_has_two_hundred_documented_daily_features() -> None:
    provided = open_source("twin", twin=TwinOptions(size="tiny", seed=1)).tables
    state = state_feature_names("daily", provided)
    ahead = [spec.name for spec in KNOWN_AHEAD if set(spec.needs) <= provided]
    assert len({*state, *ahead}) == len(state) + len(ahead) >= 200
    assert len(ahead) == len(KNOWN_AHEAD)
    assert 100 <= len(state_feature_names("daily")) < len(state)


def test_a_feature_exists_where_its_tables_are() -> None:
    alone = set(state_feature_names("daily"))
    for table in ALL:
        more = set(state_feature_names("daily", {"sales", "series", table})) - alone
        assert more == {spec.name for spec in STATE_FEATURES if spec.needs == ("sales", "series", table)}
        assert len(more) >= 5, table
    assert state_feature_names("weekly", {"prices", "weather"}) == state_feature_names("weekly")


@pytest.mark.parametrize("frequency", ["daily", "weekly"])
def test_values_in_the_unit_of_the_series_are_named_so_that_models_scale_them(frequency: Frequency) -> None:
    names = state_feature_names(frequency, ALL)
    sources = feature_sources(tuple(sorted(names)), tuple(spec.name for spec in KNOWN_AHEAD), frequency)
    kinds = {column: source.kind for source in sources.values() for column in source.columns}
    specs = [spec for spec in STATE_FEATURES if spec.name in names and spec.name != "scale"]
    assert len(specs) == len(names) - 1
    keys = {spec.name for spec in specs if spec.unit == "code"}
    assert keys == {"key_category", "key_product", "key_store"} and not keys & set(kinds)  # they name groups
    wrong = {
        spec.name
        for spec in specs
        if spec.name not in keys
        and (kinds[spec.name] in {"value", "season", "planned", "year_ago"}) != (spec.unit == "sales")
    }
    assert not wrong
    assert {spec.unit for spec in specs} <= UNITS


def test_the_page_tells_every_feature_with_its_unit_by_group() -> None:
    page = feature_page()
    for spec in (*STATE_FEATURES, *KNOWN_AHEAD):
        lines = [line for line in page.splitlines() if line.startswith(f"| `{spec.name}` |")]
        assert len(lines) == 1, spec.name
        assert f"| {spec.meaning} | {spec.unit} |" in lines[0]
    groups = {spec.group for spec in STATE_FEATURES}
    headings = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert headings == [group.capitalize() for group in GROUPS if group in groups]
    widths = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {5, 6, 7}  # customers, state, what is known ahead
    for feature in (*CUSTOMER_FEATURES, *ATTENTION_FEATURES):
        assert f"| `{feature.name}` | {feature.meaning} | {feature.unit} |" in page
