"""A BentoML endpoint that does nothing, set up as the bots are: the floor that their latency is compared with."""

import bentoml


@bentoml.service(
    workers=1,
    metrics={"enabled": False},
    traffic={"timeout": 60, "max_concurrency": 256},
    logging={"access": {"enabled": False}},
)
class Empty:
    @bentoml.api
    async def empty(self) -> str:
        return ""
