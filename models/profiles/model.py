"""Architecture of the network of influence: a heterogeneous graph network over customers, products and friendships (torch).

Customers gather from the products they bought and from their friends (GraphSAGE, Hamilton, Ying, Leskovec 2017, one
convolution a kind of edge, Schlichtkrull et al. 2018). Of a tie's two ends it tells two rates per purchase of the source:
how often the friend buys the same item anyway, and how often more because of it.
"""

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv

BUYS, BOUGHT_BY, FRIEND = (
    ("customer", "buys", "product"),
    ("product", "bought_by", "customer"),
    ("customer", "friend", "customer"),
)
LAYERS = 2
EVIDENCE = 2  # logarithms that a rate starts from: of the source's and of the target's own record


class InfluenceNetwork(nn.Module):
    """Embeddings (N, d) of customers, and log rates (E,) of ties."""

    def __init__(self, customer_features: int, product_features: int, width: int) -> None:
        super().__init__()
        self.customer = nn.Linear(customer_features, width)
        self.product = nn.Linear(product_features, width)
        self.layers = nn.ModuleList(
            HeteroConv({kind: SAGEConv((width, width), width) for kind in (BUYS, BOUGHT_BY, FRIEND)}, aggr="sum")
            for _ in range(LAYERS)
        )
        self.anyway, self.more = _rate(width), _rate(width)
        # How far an own record is believed; a tie of many records begins near them, one of none at the usual rate.
        self.anyway_record = nn.Parameter(torch.tensor([0.5, 0.5]))
        self.more_record = nn.Parameter(torch.tensor([0.5, 0.1]))

    def embed(self, graph: HeteroData) -> Tensor:
        """(N, d) of the customers of a graph."""
        state = {
            "customer": torch.tanh(self.customer(graph["customer"].x)),
            "product": torch.tanh(self.product(graph["product"].x)),
        }
        edges = {kind: graph[kind].edge_index for kind in (BUYS, BOUGHT_BY, FRIEND)}
        for layer in self.layers:
            heard = layer(state, edges)
            state = {kind: state[kind] + torch.tanh(heard[kind]) for kind in state}
        return state["customer"]

    def forward(self, graph: HeteroData, anyway: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
        """Log rates (E,) of buying anyway and of following, as multiples of the usual rates.

        `anyway` and `more` (E, EVIDENCE) are logarithms of what the two ends' records say, in the same multiples.
        """
        embedded = self.embed(graph)
        source, target = graph[FRIEND].edge_index
        pair = torch.cat([embedded[source], embedded[target], embedded[source] * embedded[target]], dim=1)
        return (
            self.anyway(pair).squeeze(1) + anyway @ self.anyway_record,
            self.more(pair).squeeze(1) + more @ self.more_record,
        )


def _rate(width: int) -> nn.Sequential:
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(3 * width, width), nn.SiLU(), last)
