"""Learning from observed follows how strongly customers move their friends, and telling it of any customers (torch)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.common.torch_control import torch_controlled
from models.profiles.behaviour import Floats
from models.profiles.config import Config
from models.profiles.data import Dataset
from models.profiles.follows import Follows

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

    from models.profiles.model import InfluenceNetwork

_CREDIT = 2.0  # follows at the usual rate that every record is credited with
_OWN_CREDIT = 1.0  # follows as foretold that every record is credited with, when it has the last word
_LEAST = 0.05  # of the usual rate: less than that no record says
_LARGEST = 0.9  # chance that a purchase moves a friend
_KEPT = (0.4, 0.9)  # share of the evidence that training shows; the rest it must foretell


@dataclass(frozen=True)
class UsualRates:
    """Per purchase and friend: buying the same item within the days `anyway`, and how much `more` after it."""

    anyway: float
    more: float

    @classmethod
    def of(cls, follows: Follows) -> "UsualRates":
        """Over all ties; never quite 0, so that logarithms exist."""
        chances = max(float(follows.chances.sum()), 1.0)
        return cls(
            max(float(follows.beside.sum()) / 2.0 / chances, 1e-6), max(float(follows.excess.sum()) / chances, 1e-6)
        )


@dataclass(frozen=True)
class Told:
    """What a network says: embeddings (N, d) and the strength of each tie (E,), the chance that a purchase moves a friend."""

    embedding: Floats
    strength: Floats


def fit_influence(
    data: Dataset,
    scaled: Floats,
    follows: Follows,
    cfg: Config,
    *,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> bytes:
    """Weights (safetensors) of a network that foretells follows; scaled features (N, F), counts (E,).

    Each step splits the counts by chance into evidence, which the network sees, and the rest, which it must foretell (data
    thinning, Neufeld et al. 2024): so it learns how far a short record is to be believed. Counts are taken as Poisson:
    `after` with the rate anyway + more, `beside` with twice the rate anyway.
    """
    import torch
    from safetensors.torch import save

    usual, rng = UsualRates.of(follows), np.random.default_rng(seed)
    with torch_controlled(cfg.threads, seed):
        graph = _graph(data)
        network = _network(scaled.shape[1], cfg.width)
        optimiser = torch.optim.AdamW(network.parameters(), lr=cfg.learning_rate, weight_decay=cfg.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, cfg.learning_rate, total_steps=cfg.epochs)
        for epoch in range(cfg.epochs):
            shown, rest = _split(follows, rng)
            loss = _loss(network, graph, data, scaled, shown, rest, usual)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if epoch % 25 == 0:
                on_progress("learning influence", epoch / cfg.epochs)
        rates = {"usual": torch.tensor([usual.anyway, usual.more], dtype=torch.float64)}
        return bytes(save({**network.state_dict(), **rates}))


def tell_influence(weights: bytes, data: Dataset, scaled: Floats, follows: Follows, width: int) -> Told:
    """Embeddings and strengths of customers by all evidence there is of them; they need not be those trained on."""
    import torch
    from safetensors.torch import load

    state = load(weights)
    anyway, more = state.pop("usual").tolist()
    usual = UsualRates(anyway, more)
    with torch_controlled(1, 0), torch.no_grad():
        network = _network(scaled.shape[1], width)
        network.load_state_dict(state)
        graph, records = _evident(_graph(data), data, scaled, follows, usual)
        _, log_more = network(graph, *records)
        embedding = network.embed(graph).numpy().astype(np.float64)
    foretold = usual.more * np.exp(log_more.numpy().astype(np.float64))
    return Told(embedding, np.minimum(foretold * _own_record(data, follows, foretold), _LARGEST))


def _own_record(data: Dataset, follows: Follows, foretold: Floats) -> Floats:
    """How many times more than foretold the friends of each tie's source followed it, (E,), shrunken to once.

    Persuasiveness is a customer's own and follows from nothing else: the network foretells what is known of such customers,
    their own record has the last word (the mean of a Gamma prior about the network's rate, given Poisson counts).
    """
    expected = np.bincount(data.ties.source, weights=follows.chances * foretold, minlength=len(data.customers))
    found = follows.by_source(data.ties.source, len(data.customers)).excess
    factor = np.maximum((found + _OWN_CREDIT) / (expected + _OWN_CREDIT), _LEAST)
    return np.asarray(factor[data.ties.source], dtype=np.float64)


def _loss(
    network: "InfluenceNetwork",
    graph: "HeteroData",
    data: Dataset,
    scaled: Floats,
    shown: Follows,
    rest: Follows,
    usual: UsualRates,
) -> Any:
    """Poisson deviance of the rest, up to what no weight moves, a count."""
    import torch

    graph, records = _evident(graph, data, scaled, shown, usual)
    log_anyway, log_more = network(graph, *records)
    chances, after, beside = (torch.from_numpy(each).float() for each in (rest.chances, rest.after, rest.beside))
    anyway, more = usual.anyway * log_anyway.exp(), usual.more * log_more.exp()
    both = anyway + more
    loss = chances * (both + 2.0 * anyway) - after * both.log() - beside * anyway.log()
    return loss.sum() / (after.sum() + beside.sum() + 1.0)


def _split(follows: Follows, rng: np.random.Generator) -> tuple[Follows, Follows]:
    share = rng.uniform(*_KEPT)
    after = rng.binomial(follows.after.astype(np.int64), share).astype(np.float64)
    beside = rng.binomial(follows.beside.astype(np.int64), share).astype(np.float64)
    shown = Follows(share * follows.chances, after, beside)
    return shown, replace(
        follows,
        chances=follows.chances - shown.chances,
        after=follows.after - after,
        beside=follows.beside - beside,
    )


def _network(features: int, width: int) -> "InfluenceNetwork":
    from models.profiles.model import InfluenceNetwork

    return InfluenceNetwork(features + 6, 2, width)


def _graph(data: Dataset) -> "HeteroData":
    """Customers, products and ties without what is known of customers, which the evidence decides."""
    import torch
    from torch_geometric.data import HeteroData

    from models.profiles.model import BOUGHT_BY, BUYS, FRIEND

    pairs = np.unique(np.stack([data.purchases.customer, data.purchases.item]), axis=1)
    buyers = np.bincount(pairs[1], minlength=len(data.items))
    times = np.bincount(data.purchases.item, minlength=len(data.items))
    graph = HeteroData()
    described = np.column_stack([np.log1p(buyers), np.log(times / np.maximum(buyers, 1))])
    graph["product"].x = _floats((described - described.mean(axis=0)) / (described.std(axis=0) + 1e-6))
    graph[BUYS].edge_index = torch.from_numpy(pairs)
    graph[BOUGHT_BY].edge_index = torch.from_numpy(pairs[::-1].copy())
    graph[FRIEND].edge_index = torch.from_numpy(np.stack([data.ties.source, data.ties.target]))
    return graph


def _evident(
    graph: "HeteroData", data: Dataset, scaled: Floats, follows: Follows, usual: UsualRates
) -> tuple["HeteroData", tuple[Any, Any]]:
    """The graph with customers described by features, friends and records, and the ends' records (E, 2) of each tie."""
    count, ties = len(data.customers), data.ties
    out, into = follows.by_source(ties.source, count), follows.by_source(ties.target, count)
    anyway = [_record(each.beside / 2.0, each.chances, usual.anyway) for each in (out, into)]
    more = [_record(each.excess, each.chances, usual.more) for each in (out, into)]
    # Chances grow with the days observed: their logarithm is told relative to the credit.
    known = np.log1p(usual.more * out.chances / _CREDIT) / 3.0
    graph["customer"].x = _floats(np.column_stack([scaled, *anyway, *more, known, np.log1p(ties.degree) / 3.0]))
    ends = [_floats(np.column_stack([source[ties.source], target[ties.target]])) for source, target in (anyway, more)]
    return graph, (ends[0], ends[1])


def _record(found: Floats, chances: Floats, usual: float) -> Floats:
    """Logarithm (N,) of the rate found as a multiple of the usual one, shrunken to it by a credit of follows."""
    ratio = (found + _CREDIT) / (usual * chances + _CREDIT)
    return np.log(np.maximum(ratio, _LEAST))


def _floats(values: Floats) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
