"""`storeloop edge run --camera`: an installed bundle at work on cameras, until files end or somebody asks it to stop."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.box_id import box_id
from edge.eyes.addresses import camera_of
from edge.eyes.bot import open_eyes
from edge.eyes.camera_events import FILE, PATH, Forwarder, camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.fused import FuseConfig, FusedShelf, fused_views
from edge.eyes.health import HealthPage
from edge.eyes.loop import HEARTBEAT, EyesConfig, EyesRuntime
from edge.eyes.mqtt import MqttLogin, ToBroker
from edge.eyes.shelf_spec import read_shelf
from edge.eyes.watchdog import Watchdog
from edge.outbox import Send, to_service
from edge.update import installed
from models.common.protocols import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FLUSH_S = 5.0


def sender(to: str, *, box: str, token: str = "", login: MqttLogin | None = None) -> Send:
    """Events to mqtt:// or mqtts:// brokers, which know the box by `login`, or to a service over http:// or https://, which knows
    it by `token`; InputError for any other address."""
    if to.startswith(("mqtt://", "mqtts://")):
        return ToBroker(to, client_id=f"storeloop-{box}", login=login)
    return to_service(to, path=PATH, token=token)


def run_cameras(
    home: Path,
    key: "Ed25519PublicKey",
    cameras: Sequence[str],
    *,
    to: str | None = None,
    token: str = "",
    login: MqttLogin | None = None,
    health_port: int | None = None,
    shelf: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Look at the cameras (NAME=ADDRESS) until all files are read; how it went. SIGTERM and SIGINT end it between two frames.

    What is seen lies in the outbox; with `to` it is forwarded all the while (`token` and `login` as `sender`), and up to `FLUSH_S`
    seconds after the end. `say` is told, once it runs, what runs and where its health page is. Cameras that the file `shelf` names
    are fused with each other and with the readings that it names; the others look alone.
    """
    named, box = [camera_of(each) for each in cameras], box_id(home)
    fused = None if shelf is None else _fused(shelf, named, box)
    feeds = Feeds(named)
    send = None if to is None else sender(to, box=box, token=token, login=login)
    bot = open_eyes(home, key)
    outbox = camera_outbox(home)
    forwarder = None if send is None else Forwarder(outbox, send)
    config = EyesConfig()
    eyes = EyesRuntime(
        bot.detector, bot.namer, feeds, outbox, home=home, forwarder=forwarder, config=config, flush_s=FLUSH_S,
        views=None if fused is None else fused_views(fused(events=bot.spec.events), bot.detector, bot.namer, config.view),
    )  # fmt: skip
    state = installed(home)
    running = {} if state is None else {"bundle": state.current, "note": state.note}

    def health() -> dict[str, Any]:
        return eyes.health() | running

    page = None if health_port is None else HealthPage(health, health_port)
    dog = Watchdog(eyes.turned_s, config.ends_s)
    before = {each: signal.signal(each, lambda *_: eyes.stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        say(
            f"{running.get('bundle', 'the bundle')} looks at {', '.join(name for name in eyes.health()['cameras'])}; Ctrl-C ends it"
        )
        if page is not None:
            page.start()
            say(f"health page: {page.for_people}")
        dog.start()
        eyes.run()
    finally:
        dog.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        if page is not None:
            page.close()
        if isinstance(send, ToBroker):
            send.close()
    return health()


def _fused(file: Path, cameras: Sequence[Camera], box: str) -> partial[FusedShelf]:
    """The shelf told in `file`, but for what the bundle knows of events. InputError when it names a camera that is none of these."""
    spec = read_shelf(file)
    if strangers := spec.cameras.keys() - {each.name for each in cameras}:
        raise InputError(f"{file} names cameras {sorted(strangers)}: give each with --camera NAME=ADDRESS")
    live = any(each.live for each in cameras if each.name in spec.cameras)
    config = FuseConfig() if live else FuseConfig(late_s=math.inf)  # a file that is slow is waited for
    return partial(FusedShelf, spec, config, box=box)


def camera_status(home: Path) -> dict[str, Any]:
    """The box's id; events that wait, and seconds since the loop's last sign of life, where cameras ever ran under `home`."""
    beat = home / HEARTBEAT
    told: dict[str, Any] = {"events_waiting": camera_outbox(home).waiting()} if (home / FILE).exists() else {}
    return (
        {"box_id": box_id(home)}
        | told
        | ({"heartbeat_age_s": round(time.time() - beat.stat().st_mtime, 1)} if beat.exists() else {})
    )
