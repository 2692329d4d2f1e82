"""What a customer does at a gondola of their own accord: reaches into it, what they take and put back."""

from collections.abc import Sequence

import numpy as np

from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.handling import Handling
from sources.twin.cameras.hands import Arm
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.params import ClipParams
from sources.twin.cameras.planogram import Gondola
from sources.twin.cameras.story import Grasp, Reach, Story, reach_of

STILL_S = 0.8  # nothing happens before the first reach, between two and after the last


def tell(
    params: ClipParams, gondola: Gondola, stocked: Sequence[Placed], appearances: Appearances, rng: np.random.Generator
) -> Story:
    """One customer's reaches into a stocked gondola."""
    return _Teller(params, Handling(gondola, stocked, appearances), rng).story()


class _Teller:
    def __init__(self, params: ClipParams, handling: Handling, rng: np.random.Generator) -> None:
        self._params, self._handling, self._rng = params, handling, rng
        self._carried: list[int] = []
        self._shopper = f"U{int(rng.integers(1, 100_000)):05d}"

    def story(self) -> Story:
        now, reaches, arm = STILL_S, [], Arm.drawn(self._rng)
        for _ in range(int(self._rng.integers(1, self._params.visits + 1))):
            reach = self._reach(now, arm)
            reaches.append(reach)
            now = float(reach.times[-1]) + STILL_S
        done = self._handling
        return Story(now, reaches, done.standing, done.events, done.items)

    def _reach(self, start: float, arm: Arm) -> Reach:
        rng, params = self._rng, self._params
        kind = rng.random()
        deeds: tuple[str, ...] = ("take",)
        if kind < params.browse_share:
            deeds = ("touch",)
        elif kind < params.browse_share + params.swap_share:
            deeds = ("put", "take")
        elif kind < params.browse_share + params.swap_share + params.put_share:
            deeds = ("put",)
        leg = params.visit_s * rng.uniform(0.85, 1.2) / 2.6
        now, grasps = start, []
        for deed in deeds:
            grasps.append(self._act(deed, now + leg, leg * rng.uniform(0.4, 0.8)))
            now = grasps[-1].leaves_s
        return reach_of(arm, start, leg, grasps, rng)

    def _act(self, deed: str, arrives: float, dwell: float) -> Grasp:
        acts = arrives + dwell / 2
        if deed == "put" and (done := self._put(arrives, dwell)) is not None:
            return done
        handling, lanes = self._handling, self._handling.gondola.lanes
        stocked = handling.stocked_lanes()
        if not stocked or deed == "touch":
            lane = lanes[int(self._rng.integers(len(lanes)))]
            return Grasp(lane.level, arrives, dwell, handling.front(lane))
        lane = lanes[stocked[int(self._rng.integers(len(stocked)))]]
        product = handling.queue(lane)[0].product
        count = int(self._rng.integers(1, self._params.most_items + 1))
        taken = handling.take(product, count, lane, acts, self._shopper)
        self._carried += [placed.item for placed in taken]
        return Grasp(lane.level, arrives, dwell, handling.palm(taken[0]), taken=taken)

    def _put(self, arrives: float, dwell: float) -> Grasp | None:
        """Put back what was taken before, or what was brought along; None where there is no room for it."""
        rng, handling, lanes = self._rng, self._handling, self._handling.gondola.lanes
        product = lanes[int(rng.integers(len(lanes)))].product
        if self._carried:
            product = handling.items[self._carried[-1]].product
        own = [item for item in self._carried if handling.items[item].product == product]
        count = int(rng.integers(1, self._params.most_items + 1))
        wrong = rng.random() < self._params.wrong_place_share
        choice = [
            lane
            for lane in lanes
            if (lane.product != product and handling.fits(product, lane) if wrong else lane.product == product)
        ]
        for k in rng.permutation(len(choice)):
            lane = choice[k]
            put = handling.put(product, own, count, lane, arrives + dwell / 2, self._shopper, rng)
            if put:
                done = {placed.item for placed in put}
                self._carried = [item for item in self._carried if item not in done]
                return Grasp(lane.level, arrives, dwell, handling.palm(put[0]), put=put)
        return None
