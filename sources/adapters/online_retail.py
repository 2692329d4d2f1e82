# ruff: noqa: S608 - names pass through quoted(), values through text(): nothing of a file becomes SQL
"""UCI Online Retail (and Online Retail II): invoice lines of a British web shop, with the dirt they really have.

One CSV or Parquet file with the published columns, alone in its folder or named directly. What is dirty stays so:
fee lines, cancellations, stock adjustments with negative units and zero prices are classed or quarantined downstream.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import pyarrow as pa

from sources.adapters.england import bank_holidays
from sources.base import SourceError
from sources.folder_files import TableFile, fingerprint_of, open_table, quoted
from sources.folder_settings import FolderSettings

FEE_CODES: Final = frozenset(
    ("POST", "DOT", "M", "D", "S", "B", "C2", "C3", "PADS", "CRUK", "AMAZONFEE", "BANK CHARGES")
    + ("ADJUST*", "GIFT*", "TEST*")  # noqa: RUF005 - codes, then families of codes
)
