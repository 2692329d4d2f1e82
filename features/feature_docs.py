"""The page that documents every feature: what it means, in which unit, and which tables it is made of."""

from features.attention_registry import ATTENTION_FEATURES, KEYS
from features.customer_registry import CUSTOMER_FEATURES
from features.feature_spec import BASIC_TABLES, GROUPS
from features.known_ahead import KNOWN_AHEAD
from features.state_registry import STATE_FEATURES


def feature_page() -> str:
    """Markdown: a table by group of the state at the origin, then of what is known ahead."""
    daily = sum(spec.frequency != "weekly" for spec in STATE_FEATURES)
    weekly = sum(spec.frequency != "daily" for spec in STATE_FEATURES)
    lines = [
        "# Features",
        "",
        f"{daily} state features and {len(KNOWN_AHEAD)} covariates known ahead of daily series; {weekly} state features of "
        "weekly ones. A feature exists where its source has the tables that it is made of.",
        "",
        "`sales` is the unit of the series (units or a currency) per period: such values are divided by `scale` before a "
        "model sees them. Windows are named by their length in days.",
        "",
        "## State at the forecast origin",
        "",
        "What was known by the end of the origin period. No value rests on what came later.",
    ]
    for group in GROUPS:
        rows = [spec for spec in STATE_FEATURES if spec.group == group]
        if rows:
            lines += [
                "",
                f"### {group.capitalize()}",
                "",
                "| feature | meaning | unit | frequency | tables |",
                _RULE * 5 + "|",
            ]
            lines += [
                _row(f"`{spec.name}`", spec.meaning, spec.unit, spec.frequency, _tables(spec.needs)) for spec in rows
            ]
    lines += [
        "",
        "## Known ahead",
        "",
        "One value a day to come, as it was known at the origin. Absence is unknown where no default stands.",
        "",
        "| covariate | meaning | unit | said of | default | tables |",
        _RULE * 6 + "|",
    ]
    lines += [
        _row(
            f"`{spec.name}`",
            spec.meaning,
            spec.unit,
            "all series" if spec.scope == "all" else spec.scope,
            "" if spec.default is None else f"{spec.default:g}",
            _tables(spec.needs),
        )
        for spec in KNOWN_AHEAD
    ]
    lines += [
        "",
        "## Customers",
        "",
        "State of a customer just before a moment, offline and online alike; a feature exists where its source has one of "
        "the tables.",
        "",
        "| feature | meaning | unit | tables |",
        _RULE * 4 + "|",
    ]
    lines += [
        _row(f"`{feature.name}`", feature.meaning, feature.unit, ", ".join(feature.tables))
        for feature in CUSTOMER_FEATURES
    ]
    lines += [
        "",
        "## Attention in the shop",
        "",
        "What visits of the shop without tills looked at, as known at the end of a day, offline and online alike; of products what "
        "groups of visits did alone.",
        "",
        "| feature | meaning | unit | by |",
        _RULE * 4 + "|",
    ]
    lines += [
        _row(f"`{feature.name}`", feature.meaning, feature.unit, ", ".join(KEYS[feature.view]))
        for feature in ATTENTION_FEATURES
    ]
    return "\n".join(lines) + "\n"


_RULE = "|---"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tables(needs: tuple[str, ...]) -> str:
    beyond = [name for name in needs if name not in BASIC_TABLES]
    return ", ".join(beyond) if beyond else "sales, series"
