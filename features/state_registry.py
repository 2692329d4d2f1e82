"""The documented list of state features: what each one means, in which unit, at which frequency, made of which tables."""

from collections.abc import Collection, Iterable

from features import state_groups, state_promotions, state_sales, state_surroundings
from features.feature_spec import BASIC_TABLES, Family, Feature, FeatureSpec, Frequency
from features.sales import PERIOD_DAYS
from features.state_windows import Windows

FAMILIES: tuple[Family, ...] = (
    *state_sales.FAMILIES,
    *state_groups.FAMILIES,
    *state_promotions.FAMILIES,
    *state_surroundings.FAMILIES,
)


def requested_features(windows: Windows, tables: Collection[str]) -> list[Feature]:
    """The features that these tables allow; their windows are asked for on the way."""
    return [feature for family in _families(windows, tables) for feature in family.make(windows)]


def state_feature_names(frequency: Frequency, tables: Collection[str] = BASIC_TABLES) -> tuple[str, ...]:
    """Names of the state features that exist at this frequency where these tables are, in the order of the registry."""
    return tuple(
        spec.name
        for spec in STATE_FEATURES
        if spec.frequency in {"both", frequency} and set(spec.needs) <= {*BASIC_TABLES, *tables}
    )


def _families(windows: Windows, tables: Collection[str]) -> Iterable[Family]:
    for family in FAMILIES:
        if set(family.needs) <= set(tables) and (windows.daily or not family.daily_only):
            yield family


def _specs() -> tuple[FeatureSpec, ...]:
    at: dict[Frequency, dict[str, FeatureSpec]] = {}
    frequencies: tuple[Frequency, ...] = ("daily", "weekly")
    for frequency in frequencies:
        windows = Windows(PERIOD_DAYS[frequency])
        at[frequency] = {
            each.name: FeatureSpec(
                each.name, each.meaning, each.unit, frequency, family.group, (*BASIC_TABLES, *family.needs)
            )
            for family in _families(windows, [need for family in FAMILIES for need in family.needs])
            for each in family.make(windows)
        }
    specs = []
    for spec in {**at["daily"], **at["weekly"]}.values():
        both = spec.name in at["daily"] and spec.name in at["weekly"]
        shared = at["daily"].get(spec.name, spec)
        specs.append(
            FeatureSpec(
                spec.name, shared.meaning, shared.unit, "both" if both else spec.frequency, shared.group, shared.needs
            )
        )
    return tuple(specs)


STATE_FEATURES: tuple[FeatureSpec, ...] = _specs()
