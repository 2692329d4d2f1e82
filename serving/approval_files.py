"""Approval mode as the settings have it: the file of proposals and who may decide, for the service and the daily loop alike."""

import time

from serving.approval_roles import Roles
from serving.approvals import Approvals
from serving.impressions import read_key
from serving.settings import ServeSettings

APPROVALS_FILE, SESSION_KEY = "approvals.sqlite", "sessions.key"


def open_approvals(settings: ServeSettings) -> Approvals | None:
    """The file of proposals, in approval mode; ValueError where no folder is named."""
    if not settings.approval:
        return None
    if settings.pricing is None:
        raise ValueError(
            "STORELOOP_SERVE_APPROVAL=true needs STORELOOP_SERVE_PRICING: the folder that proposals lie in"
        )
    return Approvals(
        settings.pricing / APPROVALS_FILE,
        proposal_s=settings.proposal_s,
        approved_s=settings.approved_s,
        clock=time.time,
    )


def open_roles(settings: ServeSettings) -> Roles | None:
    """Who may look and decide; None where prices are live. ValueError for a token too short."""
    if not settings.approval or settings.pricing is None:
        return None
    key = read_key(settings.pricing, SESSION_KEY)
    told = (each.get_secret_value() for each in (settings.approvers, settings.viewers, settings.proposers))
    return Roles(*told, key=key, clock=time.time)
