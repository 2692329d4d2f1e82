"""Whether the regression that knows friends answers customers of few items, and up to how many: decided on the validation items."""

import numpy as np

from models.common.ranking import ranks
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Ints
from models.recommender.mixing import CHUNK_CUSTOMERS
from models.recommender.predict import Predictor
from models.recommender.scoring import Floats
from models.recommender.social import Company, Social
from models.recommender.social_fit import fit_social

SHARES = (0.25, 0.5, 1.0)  # of `social_longest`: bounds that are tried


def choose_social(predictor: Predictor, data: Dataset, cfg: Config, *, seed: int) -> Social | None:
    """Fitted on all but the test items; None where nobody has friends, where few customers with few items can tell, or where
    `predictor`, which was fitted without the validation items, ranks these as well.

    It must win with friends and not lose without: a request need not name any.
    """
    if data.ties is None or not cfg.social_longest:
        return None
    length = data.train.lengths[data.judged]
    some = np.flatnonzero(length <= cfg.social_longest)
    some = np.sort(np.random.default_rng(seed).permutation(some)[: cfg.mix_customers])
    if some.size < cfg.min_judged:
        return None
    n_items = len(data.items)
    first = fit_social(data.train, data.ties, n_items, cfg, seed=seed, longest=cfg.social_longest)
    if first is None:
        return None
    gained = np.concatenate(
        [
            _gained(predictor, first, data, some[at : at + CHUNK_CUSTOMERS])
            for at in range(0, some.size, CHUNK_CUSTOMERS)
        ],
        axis=1,
    )
    bounds = sorted({max(1, int(share * cfg.social_longest)) for share in SHARES})
    totals = {bound: gained[:, length[some] <= bound].sum(axis=1) for bound in bounds}
    sound = [bound for bound, (alone, together) in totals.items() if alone >= 0 and together > 0]
    if not sound:
        return None
    best = max(sound, key=lambda bound: float(totals[bound][1]))
    return fit_social(data.known, data.ties, n_items, cfg, seed=seed, longest=best)


def _gained(predictor: Predictor, social: Social, data: Dataset, block: Ints) -> Floats:
    """NDCG@10 of each judged customer's validation item by `social`, less that by the predictor: without and with friends (2, n)."""
    customers, target = data.judged[block], data.validation_items[block]
    theirs = data.train.take(customers)
    company = None if data.ties is None else Company.among(customers, data.ties, data.train)
    before = _gains(ranks(predictor.scores(theirs), target))
    found = []
    for told in (None, company):
        scores = social.scores(theirs, told)
        scores[theirs.rows, theirs.items] = -np.inf
        found.append(_gains(ranks(scores, target)) - before)
    return np.stack(found)


def _gains(rank: Ints) -> Floats:
    return np.where(rank <= 10, 1.0 / np.log2(1.0 + rank), 0.0)
