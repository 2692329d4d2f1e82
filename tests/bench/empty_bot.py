"""An endpoint that does nothing, with the very knobs of the bots and its garbage laid aside as theirs is: the strictest floor."""

import gc

import bentoml

from serving.bot import KNOBS


@bentoml.service(name="empty_bot", **KNOBS)
class Empty:
    def __init__(self) -> None:
        gc.collect()
        gc.freeze()

    @bentoml.api
    async def empty(self) -> str:
        return ""
