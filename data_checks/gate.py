"""The gate between tagged rows and the clean table."""

from data_checks.decisions import Decisions
from data_checks.gate_result import GateResult, RuleFact

__all__ = ["Decisions", "GateResult", "RuleFact"]
