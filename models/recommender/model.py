"""Architecture of the deep part: a causal self-attention network over a history of items (torch).

After Kang and McAuley 2018, "Self-attentive sequential recommendation", with three changes: an item is its own vector plus
the mean of its attributes' vectors; how far apart two items lie enters as a learnt bias of the attention (Raffel et al. 2020),
so that no absolute place has to be learnt; and the same item vectors are read and scored with.
"""

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

FIRST_SPREAD = 0.02  # standard deviation of item vectors before training


class Items(nn.Module):
    """Vectors of all items (I, d): one of their own and the mean of those of their attributes."""

    def __init__(self, attributes: sparse.csr_matrix, width: int) -> None:
        super().__init__()
        n_items, n_attributes = attributes.shape
        self.own = nn.Parameter(torch.randn(n_items, width) * FIRST_SPREAD)
        self.shared = nn.Parameter(torch.randn(n_attributes, width) * FIRST_SPREAD)
        share = attributes.multiply(1.0 / attributes.sum(axis=1).clip(min=1.0)).tocoo()
        at = torch.stack([torch.from_numpy(share.row), torch.from_numpy(share.col)]).long()
        values = torch.from_numpy(share.data.astype("float32"))
        # No buffer: it is no weight, and the tables hold it.
        self.share = torch.sparse_coo_tensor(at, values, share.shape).coalesce()

    def forward(self) -> Tensor:
        """(I, d)."""
        return self.own if not self.shared.shape[0] else self.own + torch.sparse.mm(self.share, self.shared)


class Attention(nn.Module):
    """One block: items attend to those before them, then a feed-forward layer; x (N, T, d) to the same shape."""

    def __init__(self, width: int, heads: int, max_length: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layer = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.distance_bias = nn.Parameter(torch.zeros(heads, max_length))
        steps = torch.arange(max_length)
        self.distance: Tensor
        self.later: Tensor
        self.register_buffer("distance", (steps[:, None] - steps[None, :]).clamp(min=0), persistent=False)
        self.register_buffer("later", (steps[:, None] < steps[None, :]), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Attend and transform, each added to what came in."""
        n, t, d = x.shape
        parts = self.project(self.before_attention(x)).view(n, t, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (N, heads, T, d / heads)
        bias = self.distance_bias[:, self.distance[:t, :t]].masked_fill(self.later[:t, :t], -1e9)
        weight = torch.softmax(query @ key.transpose(-1, -2) / (d // self.heads) ** 0.5 + bias, dim=-1)
        seen = (self.dropout(weight) @ value).transpose(1, 2).reshape(n, t, d)
        x = x + self.dropout(self.merge(seen))
        widened = F.gelu(self.widen(self.before_layer(x)))
        changed: Tensor = x + self.dropout(self.narrow(self.dropout(widened)))
        return changed


class Encoder(nn.Module):
    """Vectors of a history's items (N, T, d), padded on the right, to what is wanted after each of them (N, T, d)."""

    def __init__(self, width: int, heads: int, layers: int, max_length: int, dropout: float) -> None:
        super().__init__()
        self.scale = width**0.5
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Attention(width, heads, max_length, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, items: Tensor) -> Tensor:
        """A place sees itself and what lies before it, so that padding on the right changes nothing."""
        x = self.dropout(items * self.scale)
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed
