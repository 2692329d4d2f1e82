"""Where a service reads customers: the online store of Feast where the settings ask for it, else the release's snapshot."""

from features.online_customers import OnlineCustomers
from serving.settings import ServeSettings


def customer_store(settings: ServeSettings) -> OnlineCustomers | None:
    """The store; None where each release brings its customers. ValueError names the setting that is missing."""
    if settings.online_state == "snapshot":
        return None
    if settings.feast_repo is None:
        raise ValueError(
            "STORELOOP_SERVE_ONLINE_STATE=feast needs STORELOOP_SERVE_FEAST_REPO: the folder of the applied repository"
        )
    from features.feast_customers import FeastCustomers

    store: OnlineCustomers = FeastCustomers.open(settings.feast_repo)
    return store
