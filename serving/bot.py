"""What the services of all bots have in common: BentoML's knobs, pages, metrics of who answers."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from serving.forms import Form
from serving.front_door import FrontDoor, Page
from serving.loader import ChampionLoader
from serving.metrics import ServiceMetrics
from serving.openapi import describe
from serving.pages import docs_page, index_page
from serving.settings import ServeSettings

KNOBS: Mapping[str, Any] = {
    "workers": ServeSettings().workers,
    # BentoML labels by raw path, which a caller could grow without bound; ours are at /metrics
    "metrics": {"enabled": False},
    "traffic": {"timeout": 60, "max_concurrency": 256},
    "tracing": {"excluded_urls": ".*"},  # spans that nobody exports are work for nothing
    "logging": {"access": {"enabled": False}},  # one line a request costs more than the answer; the metrics count them
}


def show_pages(
    service: Any,
    bot: str,
    metrics: ServiceMetrics,
    settings: ServeSettings,
    examples: Mapping[str, Any],
    *,
    bad: str,
    unknown: str,
    forms: Mapping[str, Form] | None = None,
) -> None:
    """Put our pages, the bound on bodies and the reading of forms (by path) before a BentoML service; see `describe` for the rest."""

    def metrics_page() -> Page:
        return metrics.exposition()

    about = describe(bot, inspect.cleandoc(service.inner.__doc__), bad=bad, unknown=unknown, forms=forms or {})
    service.add_asgi_middleware(
        FrontDoor,
        pages={
            "/": index_page(bot),
            "/docs.json": docs_page(service.openapi_spec.asdict, about, examples),
            "/metrics": metrics_page,
        },
        max_body_bytes=settings.max_body_bytes,
        forms=forms,
    )


def quiet_refusals() -> None:
    """BentoML logs a traceback for every malformed request; the caller has the reason in the 400 already."""
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_not_the_callers_fault)


def tell(metrics: ServiceMetrics, loader: ChampionLoader[Any]) -> None:
    """Which champion answers, for the metrics."""
    champion = loader.current
    metrics.champion(
        "" if champion is None else champion.artifact_id,
        "" if champion is None else champion.registry_version,
        swaps=loader.swaps,
        refusals=loader.refusals,
        problem=loader.problem is not None,
    )


def _not_the_callers_fault(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], ValidationError)
