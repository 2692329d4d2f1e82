"""Policies judged by a log beside the shop that wrote it: what each would have earned, as far as the log can tell."""

from collections.abc import Mapping

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.pricing.baselines import Policy
from models.pricing.exact import Solution, solve, worth
from models.pricing.judging import action_table
from models.pricing.logged import Log
from models.pricing.logged_plots import values_plot
from models.pricing.market import Market
from models.pricing.off_policy import ANSWER, LOGGED, Estimate, Evaluation, evaluate_off_policy

SHOP = "the shop's past"
NOT_TOLD = float("nan")


def judge_logged(
    market: Market,
    log: Log,
    policies: Mapping[str, Policy],
    *,
    champion: str,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Judge policies by name; the figures of all segments are those of the estimate to act on, each estimator has a segment.

    Money of an episode; what the log cannot tell is not told (NaN), the note says why. "promised" is what a policy is worth if
    demand is as believed, where the exact program fits. DataError as `evaluate_off_policy`.
    """
    solution = solve(market)
    found: dict[str, Evaluation] = {}
    promised: dict[str, float] = {}
    for number, (name, policy) in enumerate(policies.items()):
        on_progress(f"judging {name}", number / len(policies))
        found[name] = evaluate_off_policy(market, log, policy, seed=seed)
        if solution is not None:
            promised[name] = worth(market, action_table(market, policy, solution.stocks), solution.stocks)
    shop = next(iter(found.values())).estimates[LOGGED]
    rows = [row for name, each in found.items() for row in _rows(name, each, promised.get(name))]
    rows += [row for row in _figures(SHOP, shop) if not row.metric.startswith("gain")]
    on_progress("judged", 1.0)
    answers = {name: each.answer for name, each in found.items()}
    plots = {"values_from_the_log": values_plot(market.name, answers, shop, promised)}
    return Report(champion, tuple(rows), plots, _notes(market, log, found, solution))


def _rows(name: str, found: Evaluation, promised: float | None) -> list[MetricRow]:
    rows = _figures(name, found.answer)
    rows.append(MetricRow(name, "outside the log", found.outside, "fraction"))
    if promised is not None:
        rows.append(MetricRow(name, "promised", promised, "money"))
    for each in found.estimates.values():
        if each.name != LOGGED:
            rows += _figures(name, each, segment=each.name)
            rows.append(MetricRow(name, "weights at the bound", each.clipped, "fraction", each.name))
    return rows


def _figures(name: str, told: Estimate, *, segment: str = "all") -> list[MetricRow]:
    facts = {
        "from the log": told.value,
        "low": told.low,
        "high": told.high,
        "gain": told.gain,
        "gain, low": told.gain_low,
        "gain, high": told.gain_high,
    }
    rows = [
        MetricRow(name, metric, NOT_TOLD if told.verdict else value, "money", segment)
        for metric, value in facts.items()
    ]
    return [*rows, MetricRow(name, "effective", told.effective, "episodes", segment)]


def _notes(market: Market, log: Log, found: Mapping[str, Evaluation], solution: Solution | None) -> tuple[str, ...]:
    notes = [
        f"{market.name}: {log.episodes:,} logged episodes of {log.periods} periods; values are money of an episode, with 95 % "
        "intervals by drawing episodes anew.",
        f"All segments together are of the estimate to act on: {ANSWER}.",
    ]
    if solution is not None:
        notes.append("Promised is what a policy is worth if demand is as the problem tells.")
    for name, each in found.items():
        if each.answer.verdict:
            notes.append(f"{name}: the log cannot tell: {each.answer.verdict}.")
        elif each.answer.gain_low > 0:
            notes.append(f"{name}: earns more than the shop did, by {each.answer.gain:.4g} an episode.")
        elif each.answer.gain_high < 0:
            notes.append(f"{name}: earns less than the shop did, by {-each.answer.gain:.4g} an episode.")
        else:
            notes.append(f"{name}: the log tells no difference from the shop's past.")
    return tuple(notes)
