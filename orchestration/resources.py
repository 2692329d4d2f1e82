"""Dagster resources: the only configuration that assets see."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.settings import Settings
from orchestration.workspace import Workspace


class WorkspaceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One source's workspace, built from settings that travel as plain JSON so that the UI can show them."""

    settings: dict[str, Any] = Field(description="Settings as JSON; see orchestration.settings.Settings.")

    @classmethod
    def of(cls, settings: Settings) -> "WorkspaceResource":
        """The resource for these settings."""
        # The UI shows what travels; a secret is read from the environment where it is used.
        return cls(settings=settings.model_dump(mode="json", exclude_none=True, exclude={"pseudonym_secret"}))

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WorkspaceResource"]:
        """Hold the workspace alone for the length of a run, wherever it was launched; sensors only look and never wait."""
        if context.run is None:
            yield self
            return
        with self.open().exclusive():
            yield self

    def open(self) -> Workspace:
        """The workspace itself."""
        return Workspace(Settings(**self.settings))
