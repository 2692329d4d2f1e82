"""What a learner has learned, published for those who only score by it: weights alone, in files whole or absent."""

from dataclasses import dataclass
from pathlib import Path

from models.recommender.online import OnlineScorer
from models.recommender.online_config import FtrlConfig
from models.recommender.online_features import OnlineFeatures
from models.recommender.online_learner import OnlineLearner, learner_identity
from models.recommender.online_snapshots import Snapshot, listed, newest_snapshot, prune, write_snapshot

FOLDER = "published"
KEPT = 2  # a reader may be opening the one before the newest
READ = ("place", "weight", "events")  # of a learner's state, by those who score


@dataclass(frozen=True)
class Published:
    """Weights after the journal's example `position`, of `events` examples, ready to score."""

    position: int
    events: int
    scorer: OnlineScorer


def publish(folder: Path, learner: OnlineLearner) -> None:
    """Write the weights for other processes, unless these stand there already."""
    published = folder / FOLDER
    if (newest := listed(published)) and int(newest[-1].name[:15]) == learner.position:
        return
    state = learner.state()
    write_snapshot(published, Snapshot(learner.position, learner.identity, {name: state[name] for name in READ}))
    prune(published, KEPT)


def newest_published(folder: Path, features: OnlineFeatures, cfg: FtrlConfig, *, after: int = -1) -> Published | None:
    """The newest weights behind `after`; None where there are none. DataError where another config learned them."""
    files = listed(folder / FOLDER)
    if not files or int(files[-1].name[:15]) <= after:
        return None
    try:
        found = newest_snapshot(folder / FOLDER, learner_identity(features, cfg), on_broken=lambda _: None)
    except FileNotFoundError:  # the publisher removed it meanwhile: there is a newer one
        return None
    if found is None or found.position <= after:
        return None
    scorer = OnlineScorer(features, cfg, found.state)
    _ = scorer.weights  # laid out now, not while a request waits
    return Published(found.position, int(found.state["events"][0]), scorer)
