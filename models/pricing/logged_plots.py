"""Picture of values told by a log, as PNG bytes."""

from collections.abc import Mapping

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.pricing.off_policy import Estimate


def values_plot(title: str, told: Mapping[str, Estimate], shop: Estimate, promised: Mapping[str, float]) -> bytes:
    """Value and interval of each policy, the first one green, over the band of what the shop earned; a tick is what was promised.
    A policy of which the log cannot tell has its reason instead."""
    drawn = figure(10, 1.6 + 0.42 * len(told))
    axis = drawn.subplots()
    axis.axvspan(shop.low, shop.high, color=BAND, zorder=0)
    axis.axvline(shop.value, color=INK, linewidth=0.8, zorder=1, label="the shop's past")
    for row, (name, each) in enumerate(told.items()):
        if name in promised:
            label = "promised, if demand is as believed" if name == next(iter(promised)) else None
            axis.plot([promised[name]], [row], marker="|", markersize=14, color=OTHER, linestyle="", label=label)
        if each.verdict:
            axis.text(
                0.5, row, f"cannot tell: {each.verdict}", transform=axis.get_yaxis_transform(), fontsize=7, color=OTHER,
                va="center", ha="center",
            )  # fmt: skip
            continue
        colour = CHAMPION if row == 0 else INK
        axis.plot([each.low, each.high], [row, row], color=colour, linewidth=2.4 if row == 0 else 1.4)
        axis.plot([each.value], [row], marker="o", color=colour, linestyle="")
    axis.set_yticks(range(len(told)), list(told), fontsize=8)
    axis.set_ylim(len(told) - 0.4, -0.6)
    axis.set_xlabel("money of an episode, from the log; bars: 95 % intervals")
    axis.legend(fontsize=7, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    drawn.suptitle(f"{title}: what other prices would have earned", fontsize=10)
    return png(drawn)
