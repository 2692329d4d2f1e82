"""The report on choices: a logit that knows loyalty beside the standard conditional logit, on choices that neither saw."""

import numpy as np

from models.common.figures import CHAMPION as GREEN
from models.common.figures import INK, OTHER, figure, png
from models.common.report import MetricRow, Report
from models.elasticity.choice import Choices, ItemElasticity, fit_choice, item_elasticities, log_likelihood

CHAMPION, STANDARD, SHARES = "logit with loyalty", "conditional logit", "shares"


def judge_choices(data: Choices, *, seed: int = 0) -> Report:
    """Mean log chance of the held-out choices, price coefficients and own-price elasticities, each with its error."""
    held = ~data.seen
    fitted = {CHAMPION: fit_choice(data), STANDARD: fit_choice(data, loyal=False)}
    rows: list[MetricRow] = []
    found: dict[str, ItemElasticity] = {}
    for name, model in fitted.items():
        at = model.names.index("price")
        rows += [
            MetricRow(name, "log chance", log_likelihood(model, data, held), "mean log of a choice"),
            MetricRow(name, "price coefficient", float(model.values[at]), "utility a unit of price"),
            MetricRow(name, "its standard error", float(np.sqrt(model.covariance[at, at])), "utility a unit of price"),
        ]
        found[name] = item_elasticities(model, data, seed=seed)
        of_items = found[name]
        for item, value, low, high in zip(data.items, of_items.value, of_items.low, of_items.high, strict=True):
            for metric, figure_ in (("elasticity", value), ("elasticity, low", low), ("elasticity, high", high)):
                rows.append(MetricRow(name, metric, float(figure_), "% / %", item))
    shares = np.bincount(data.chosen[data.seen], minlength=len(data.items)) / data.seen.sum()
    rows.append(
        MetricRow(SHARES, "log chance", float(np.log(shares[data.chosen[held]]).mean()), "mean log of a choice")
    )
    notes = (
        f"{int(data.seen.sum()):,} choices of {len(np.unique(data.household)):,} households, judged on their newest "
        f"{int(held.sum()):,}; loyalty keeps {fitted[CHAMPION].carry:.0%} from one choice to the next.",
        "Rows of a household must be in the order in which it bought: a panel that is sorted by what was bought tells nothing.",
    )
    return Report(CHAMPION, tuple(rows), {"elasticities": _plot(data.items, found)}, notes)


def _plot(items: tuple[str, ...], found: dict[str, ItemElasticity]) -> bytes:
    """Own-price elasticity of each item under both models, with 95 % intervals."""
    drawn = figure(8, 1.4 + 0.5 * len(items))
    axis = drawn.subplots()
    for shift, colour, (name, each) in zip((0.12, -0.12), (GREEN, OTHER), found.items(), strict=True):
        at = np.arange(len(items)) + shift
        axis.errorbar(
            each.value,
            at,
            xerr=[each.value - each.low, each.high - each.value],
            fmt="o",
            color=colour,
            markersize=4,
            label=name,
        )
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.set_yticks(range(len(items)), items, fontsize=8)
    axis.set_xlabel("own-price elasticity of the share, 95 % intervals")
    axis.legend(fontsize=8)
    return png(drawn)
