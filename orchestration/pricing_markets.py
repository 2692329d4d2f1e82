"""Markets told in a file at the gate of prices: each beside the best simple rule, and the champion where it has the same one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.criteria import Criterion
from orchestration.promotion import PricingBudgets

if TYPE_CHECKING:
    from models.pricing.config import Config
    from models.pricing.evaluate import Judged
    from models.pricing.predict import Predictor

ROUNDING = 1e-9  # of a value: two policies that ask the same differ by no more
SURE = 1.96  # standard errors


@dataclass(frozen=True)
class JudgedMarkets:
    """What the gate asks of each market; how those of the challenger differ from the champion's, in sentences, if they do."""

    criteria: tuple[Criterion, ...]
    changes: tuple[str, ...]


def judge_markets(
    challenger: "Predictor", champion: "Predictor | None", cfg: "Config", budgets: PricingBudgets, *, seed: int
) -> JudgedMarkets:
    """Value of the network's prices beside the best simple rule, tuned on other days, and the champion's where it was trained
    for the very same market: exactly where the dynamic program fits, else on the same simulated episodes."""
    from models.pricing.evaluate import CHAMPION, judge, simple_rules
    from models.pricing.exact import solve
    from models.pricing.market import build_market

    own = {each.instance.name: each.instance for each in challenger.spec.markets}
    former = {} if champion is None else {each.instance.name: each.instance for each in champion.spec.markets}
    criteria = []
    for name, instance in own.items():
        market = build_market(instance)
        solution = solve(market)
        exact = solution is not None
        asked = judge(market, challenger.policy(name), solution, cfg, name=CHAMPION, seed=seed)
        rules = [
            judge(market, rule, solution, cfg, name=each, seed=seed) for each, rule in simple_rules(market, cfg).items()
        ]
        best = max(rules, key=lambda each: each.value)
        rivals = [(f"the best simple rule's ({best.name})", best)]
        if champion is not None and former.get(name) == instance:
            kept = judge(market, champion.policy(name), solution, cfg, name=CHAMPION, seed=seed)
            rivals.append(("the champion's", kept))
        criteria += [
            _not_below(name, said, asked, rival, budgets.market_shortfall_max, exact=exact) for said, rival in rivals
        ]
    return JudgedMarkets(tuple(criteria), () if champion is None else _changes(own, former))


def _not_below(market: str, rival: str, own: "Judged", theirs: "Judged", shortfall: float, *, exact: bool) -> Criterion:
    least = -shortfall * abs(theirs.value)
    if exact:
        gain, how, said = own.value - theirs.value, "", "exact"
    else:
        apart = own.lived.money - theirs.lived.money
        gain = float(apart.mean() - SURE * apart.std() / len(apart) ** 0.5)
        how, said = ", lower 95 % bound", f"mean {apart.mean():.5g} of {len(apart):,} episodes with the same customers"
    return Criterion(
        f"{market}: value over {rival}{how}",
        gain,
        f">= {least:g}" if least else ">= 0",
        gain >= least - ROUNDING * abs(theirs.value),
        f"{own.value:.6g} beside {theirs.value:.6g}, {said}",
    )


def _changes(own: "dict[str, object]", former: "dict[str, object]") -> tuple[str, ...]:
    """Of markets by name, beside the champion's."""
    found = {
        "new": [name for name in own if name not in former],
        "told otherwise than to the champion": [name for name in own if former.get(name, own[name]) != own[name]],
        "told no more, so dropped with the champion": [name for name in former if name not in own],
    }
    return tuple(f"{', '.join(names)}: {how}" for how, names in found.items() if names)
