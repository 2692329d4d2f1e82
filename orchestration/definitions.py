"""The one Dagster Definitions: every asset, check, job, schedule and sensor of the loop."""

import os

import dagster as dg

from models.common.telemetry import switch_off
from orchestration.assets.behaviour import BEHAVIOUR_ASSETS
from orchestration.assets.customers import CUSTOMER_ASSETS
from orchestration.assets.demand import DEMAND_ASSETS
from orchestration.assets.detector import DETECTOR_ASSETS
from orchestration.assets.features import FEATURE_ASSETS
from orchestration.assets.forecaster import FORECASTER_ASSETS
from orchestration.assets.image_sets import IMAGE_SET_ASSETS
from orchestration.assets.inspection import INSPECTION_ASSETS
from orchestration.assets.pricing import PRICING_ASSETS
from orchestration.assets.profiles import PROFILE_ASSETS
from orchestration.assets.recommender import RECOMMENDER_ASSETS
from orchestration.assets.shop import SHOP_ASSETS
from orchestration.assets.tables import TABLE_ASSETS
from orchestration.automation import JOBS, SCHEDULES, SENSORS
from orchestration.resources import WorkspaceResource
from orchestration.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """The definitions for one set of settings."""
    return dg.Definitions(
        assets=[
            *TABLE_ASSETS,
            *DEMAND_ASSETS,
            *FEATURE_ASSETS,
            *CUSTOMER_ASSETS,
            *FORECASTER_ASSETS,
            *RECOMMENDER_ASSETS,
            *PROFILE_ASSETS,
            *PRICING_ASSETS,
            *INSPECTION_ASSETS,
            *BEHAVIOUR_ASSETS,
            *DETECTOR_ASSETS,
            *IMAGE_SET_ASSETS,
            *SHOP_ASSETS,
        ],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"workspace": WorkspaceResource.of(settings)},
        # Many small steps that share one warm interpreter: seconds in process, minutes with a process a step.
        executor=dg.in_process_executor,
    )


switch_off(os.environ)
defs = build(Settings())
