"""Judging profiles: how clear, stable and true the segments are, and whether friends follow whom the network says."""

import time
from typing import Any

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.report import MetricRow, Report
from models.profiles.behaviour import FEATURES, Floats, Ints
from models.profiles.campaigns import DEGREE, RANDOM, RATES, Campaign, follow_rates, lift, run_campaigns
from models.profiles.clusters import resampled_agreement
from models.profiles.config import Config
from models.profiles.data import Dataset
from models.profiles.follows import Follows, count_follows
from models.profiles.influence import Told, tell_influence
from models.profiles.plots import campaign_plot, choice_plot, follow_plot, map_plot, segments_plot
from models.profiles.predict import Predictor, ProfileInput
from models.profiles.rfm import quintile_scores, quintile_segments, rfm
from models.profiles.spread import influence

CHAMPION = "champion"
BASELINE = "RFM quintiles"
PEERS = ("Gaussian mixture", "agglomerative")
EVER = 2**31  # a day after all days
_MOST = 4_000  # customers on whom silhouettes and peers are computed: both look at all pairs
_TENTH = 0.1


def evaluate(
    model: Predictor,
    data: Dataset,
    *,
    world: Any = None,
    truth: Any = None,
    train_seconds: float = float("nan"),
    seed: int = 0,
    on_progress: ProgressCallback = silent,
) -> Report:
    """Silhouette, stability and, with `truth` (`SegmentTruth`), adjusted Rand index of segments, beside RFM quintiles and peers.

    Of influence: follows per purchase on the newest days, which training did not see, among the tenth of customers with
    most influence; with a `world` (`CampaignWorld`) conversions of campaigns, beside random customers, degree and oracle.
    """
    on_progress("segments judged", 0.0)
    reply = model.predict(ProfileInput(data.sums))
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(data.customers))[:_MOST])
    rows = _segment_rows(model, data, reply.segment, some, truth, seed)
    rows.append(MetricRow(CHAMPION, "seconds", train_seconds, "s"))
    plots = {
        "segments": segments_plot(model.spec),
        "rfm_map": map_plot(rfm(data.sums), reply.segment, model.spec, some),
        "number_of_segments": choice_plot(model.spec),
    }
    notes = [model.spec.choice, *_portrait_notes(model)]
    on_progress("influence judged", 0.4)
    if model.network is None:
        notes.append("the source tells of too few friendships for influence to be learnt")
        return Report(CHAMPION, tuple(rows), plots, tuple(notes))
    scaled = model.scaled(data.sums)
    spec = model.spec
    past = count_follows(data, spec.follow_days, -EVER, spec.judged_from)
    later = count_follows(data, spec.follow_days, spec.judged_from, EVER)
    told = tell_influence(model.network, data, scaled, past, spec.width)
    by_influence = {CHAMPION: influence(data.ties, told.strength, len(data.customers)), RATES: follow_rates(data, past)}
    by_influence[DEGREE] = data.ties.degree.astype(np.float64)
    seen, observed = observed_follows(data, later)
    for name, scores in by_influence.items():
        rows.append(MetricRow(name, "held-out follows, top tenth", _of_top(scores, observed, seen), "a purchase"))
    rows.append(
        MetricRow(RANDOM, "held-out follows, top tenth", float(np.sum(observed) / max(seen.sum(), 1)), "a purchase")
    )
    plots["influence"] = follow_plot(_mean_strength(data, told), seen, observed)
    if world is not None:
        on_progress("campaigns run", 0.6)
        everything = count_follows(data, spec.follow_days, -EVER, EVER)
        now = tell_influence(model.network, data, scaled, everything, spec.width)
        campaigns = run_campaigns(world, data, everything, now, champion=CHAMPION, seed=seed)
        rows += _campaign_rows(campaigns, rng)
        plots["campaign"] = campaign_plot(campaigns)
    on_progress("report written", 1.0)
    return Report(CHAMPION, tuple(rows), plots, tuple(notes))


def observed_follows(data: Dataset, later: Follows) -> tuple[Floats, Floats]:
    """Purchases (N,) that friends could follow on held-out days, and the purchases (N,) which they added."""
    own = later.by_source(data.ties.source, len(data.customers))
    return own.chances / np.maximum(data.ties.degree, 1), own.excess


def _segment_rows(model: Predictor, data: Dataset, own: Ints, some: Ints, truth: Any, seed: int) -> list[MetricRow]:
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score, silhouette_score
    from sklearn.mixture import GaussianMixture

    scaled = model.scaled(data.sums)
    count = len(model.spec.segments)
    began = time.perf_counter()
    mixture = GaussianMixture(count, n_init=3, reg_covar=1e-3, random_state=seed).fit_predict(scaled[some])
    merged = AgglomerativeClustering(min(count, len(some))).fit_predict(scaled[some])
    seconds = time.perf_counter() - began
    others = quintile_segments(quintile_scores(rfm(data.sums)), count)[some]
    labels = {CHAMPION: own[some], BASELINE: others, PEERS[0]: mixture, PEERS[1]: merged}
    rows = [MetricRow("all peers", "seconds", seconds, "s")]
    for name, found in labels.items():
        several = 1 < len(np.unique(found)) < len(found)
        clear = float(silhouette_score(scaled[some], found)) if several else 0.0
        rows.append(MetricRow(name, "silhouette", clear, "-1 to 1"))
        if truth is not None:
            true = [truth.segments[customer] for customer in data.customers[some]]
            rows.append(MetricRow(name, "ari", float(adjusted_rand_score(true, found)), "index"))
    centers = np.array([segment.center for segment in model.spec.segments])
    agreement = resampled_agreement(scaled[some], centers, Config(), np.random.default_rng(seed), seed=seed)
    rows.append(MetricRow(CHAMPION, "bootstrap ari", float(agreement.mean()), "index"))
    rows.append(MetricRow(CHAMPION, "least bootstrap ari", float(agreement.min()), "index"))
    rows.append(MetricRow(CHAMPION, "number of segments", float(count), "count"))
    return rows


def _portrait_notes(model: Predictor) -> list[str]:
    lines = []
    for segment in model.spec.segments:
        usual = segment.median
        facts = f"{usual['silent_days']:.0f} days since last seen, {usual['orders']:.0f} orders, {usual['spend']:,.0f} spent"
        lines.append(f"{segment.name}: {segment.share:.0%} of customers; usually {facts}")
    told = ", ".join(f"{name} = {FEATURES[name]}" for name in model.spec.features)
    return [*lines, f"segments are made of {told}"]


def _of_top(scores: Floats, observed: Floats, seen: Floats) -> float:
    """Purchases added per own purchase by the tenth of customers with the highest scores."""
    top = np.argsort(-scores, kind="stable")[: max(1, int(_TENTH * len(scores)))]
    return float(observed[top].sum() / max(seen[top].sum(), 1.0))


def _mean_strength(data: Dataset, told: Told) -> Floats:
    """Friends (N,) whom one purchase moves directly, as predicted."""
    moved = np.bincount(data.ties.source, weights=told.strength, minlength=len(data.customers))
    return np.asarray(moved, dtype=np.float64)


def _campaign_rows(campaigns: list[Campaign], rng: np.random.Generator) -> list[MetricRow]:
    by_name = {campaign.name: campaign.conversions for campaign in campaigns}
    rows = []
    for name, conversions in by_name.items():
        rows.append(MetricRow(name, "conversions", float(conversions.mean()), "a campaign"))
        for other, words in ((RANDOM, "random"), (DEGREE, "degree")):
            if name != other:
                for metric, value in zip(
                    ("lift over", "least lift over", "most lift over"),
                    lift(conversions, by_name[other], rng),
                    strict=True,
                ):
                    rows.append(MetricRow(name, f"{metric} {words}", value, "share"))
    return rows
