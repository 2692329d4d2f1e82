"""What is held likely of a shelf and its sensors before anything is seen: what the fusion of events stands on."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ScaleNoise:
    """Standard deviations of one reading, of the drift in one second, and of a package about its printed weight (a share);
    `miss` is the chance that a true change shows no step, `false` that a step has no cause, `broad_g` how large such may be."""

    reading_g: float = 1.6
    drift_g: float = 0.4
    package_share: float = 0.01
    miss: float = 1e-5
    false: float = 1e-4
    broad_g: float = 500.0


@dataclass(frozen=True)
class TagNoise:
    """Rounds a second of an antenna; chances of a read in one round and mean signals in dBm of a tag on the board, in a hand
    before it and elsewhere; standard deviations of a signal near and elsewhere in dB; `dead` is the share of tags never read,
    `hand_s` how long a hand stays before the board, `moved` the chance that a tag comes or goes at any other time."""

    rounds_per_s: float = 5.0
    on: float = 0.7
    hand: float = 0.25
    off: float = 0.05
    on_dbm: float = -52.0
    hand_dbm: float = -58.0
    off_dbm: float = -62.0
    near_db: float = 4.0
    off_db: float = 6.0
    dead: float = 0.02
    hand_s: float = 1.1
    moved: float = 0.02


@dataclass(frozen=True)
class ShelfNoise:
    """How the seen number of a product changes for each package taken or put: mean `shown` (rows behind are hidden, or come to
    sight) and its standard deviation `spread`. Where nothing happened the seen number still changes: standard deviations
    `passing` of one picture and `lasting` however many there are. `most` bounds what this evidence may say, in log-likelihood."""

    shown: float = 0.5
    spread: float = 0.38
    passing: float = 0.29
    lasting: float = 0.09
    most: float = 6.0


@dataclass(frozen=True)
class Beliefs:
    """What is held likely before and about the sources, in natural logarithms where named log.

    `own_lane` chance that a product taken from, or put into, a lane is the one planned there; `event_log` log-odds of an event at
    a proposed time; `worst_log` the least a source may say of any one hypothesis, so that one broken source is outvoted;
    `unseen_log` of an event no camera saw carried, `carry_log` for a carry seen, by one camera and by several; what lies
    `together_s` apart is one proposal, and no hand does the same twice within `once_s`.
    """

    own_lane: tuple[float, float] = (0.93, 0.7)
    event_log: float = -1.0
    worst_log: float = -14.0
    unseen_log: float = -2.5
    carry_log: tuple[float, float] = (1.0, 4.0)
    together_s: float = 0.7
    apart_s: float = 1.0
    once_s: float = 2.0
    still_pictures: int = 5
    tag_proposal_log: float = 5.0
    shelf_proposal_log: float = 1.5
    scale: ScaleNoise = field(default_factory=ScaleNoise)
    tags: TagNoise = field(default_factory=TagNoise)
    shelf: ShelfNoise = field(default_factory=ShelfNoise)
