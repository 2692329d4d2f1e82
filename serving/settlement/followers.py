"""Looking on at the logs in a file."""

from collections.abc import Sequence

from serving.settlement.queue_sqlite import SqliteQueue
from serving.settlement.transport import Followed


class SqliteFollower:
    """See `Follower`."""

    def __init__(self, queue: SqliteQueue, topics: Sequence[str], back: int) -> None:
        self._queue = queue
        self._next = {topic: max(queue.following(topic) - back, 0) for topic in topics}

    def read(self, most: int) -> Sequence[Followed]:
        """Topic by topic."""
        found: list[Followed] = []
        for topic, first in self._next.items():
            records = self._queue.read(topic, first, most - len(found))
            found += [Followed(topic, record) for record in records]
            if records:
                self._next[topic] = records[-1].offset + 1
        return found
