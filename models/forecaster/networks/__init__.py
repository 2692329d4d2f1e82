"""Sequence forecasters beside the trees: an LSTM, the same LSTM with an adversarial critic, and a Transformer.

They read what the trees read, `inputs.assemble`, laid out as N pairs x H steps x F features: the sequence runs along the
horizon, and every step carries the state at the origin beside its own covariates. Torch is imported by the functions
that fit or run a network, never by importing this package; what is served is the ONNX graph.
"""

from models.forecaster.config import NetworkKind
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.networks.fit import Network, fit_network
from models.forecaster.networks.grids import Grids, GridsError

__all__ = ["Grids", "GridsError", "Network", "NetworkConfig", "NetworkKind", "fit_network"]
