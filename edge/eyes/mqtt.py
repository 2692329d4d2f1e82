"""Events to a broker over MQTT 3.1.1, quality of service 1: an event counts as sent once the broker acknowledged it.

The outbox is the only queue. paho keeps its own session in memory alone, so that whatever is not acknowledged in time is dropped
here together with the client, and comes again from the disk; its `event_id` makes one of what arrives twice.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge.outbox import DeniedError
from models.common.protocols import InputError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

USER, PASSWORD = "STORELOOP_EDGE_MQTT_USER", "STORELOOP_EDGE_MQTT_PASSWORD"  # names of variables, no secrets
TIMEOUT_S = 10.0
KEEP_ALIVE_S = 30
IN_FLIGHT = 100  # messages on their way at once
PORTS = {"mqtt": 1883, "mqtts": 8883}
DENIALS = frozenset({0x86, 0x87})  # of user or password, of rights: as paho names the answers 4 and 5


@dataclass(frozen=True)
class MqttLogin:
    """User and password that the broker knows this box by; without a user, it asks for none."""

    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "MqttLogin":
        """From STORELOOP_EDGE_MQTT_USER and STORELOOP_EDGE_MQTT_PASSWORD; InputError for a password of nobody."""
        login = cls(environment.get(USER, ""), environment.get(PASSWORD, ""))
        if login.password and not login.user:
            raise InputError(f"{PASSWORD} is set and {USER} is not: MQTT knows no password without a user, set both")
        return login


class ToBroker:
    """`edge.outbox.Send` to the broker at `address`, one message an event, on TOPIC/CAMERA. Keeps its connection."""

    def __init__(
        self,
        address: str,
        *,
        client_id: str,
        topic: str = "storeloop/camera-events",
        ca_file: Path | None = None,
        login: MqttLogin | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        told = urlsplit(address)
        if told.scheme not in PORTS or not told.hostname or told.username is not None or told.path not in {"", "/"}:
            raise InputError(
                "the broker's address: give mqtt://HOST:PORT, or mqtts://HOST:PORT for one with a certificate, and a user in "
                f"{USER} and {PASSWORD}"
            )
        if not client_id or len(client_id) > 200 or any(mark in topic for mark in "+#\0") or not topic:
            raise InputError(
                f"client {client_id[:80]!r}, topic {topic[:80]!r}: give an id of the box, a topic without + and #"
            )
        self._host, self._port = told.hostname, told.port or PORTS[told.scheme]
        self._encrypted, self._ca_file = told.scheme == "mqtts", ca_file
        self._client_id, self._topic, self._timeout_s = client_id, topic, timeout_s
        self._login = login or MqttLogin()
        self._client: Client | None = None
        self._lock = threading.Lock()

    def __call__(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Publish all and wait until the broker has them; OSError when it has not in time, and nothing stays queued here.
        DeniedError when it does not let this box in."""
        with self._lock:
            try:
                self._publish(events)
            except (OSError, ValueError, RuntimeError) as error:  # paho raises these three for a lost connection
                self._drop()
                kind = DeniedError if isinstance(error, DeniedError) else OSError
                raise kind(f"broker {self._host}:{self._port}: {error}") from error

    def close(self) -> None:
        """Say good-bye to the broker."""
        with self._lock:
            self._drop()

    def _publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        client = self._client or self._connect()
        self._client = client
        until = time.monotonic() + self._timeout_s
        sent = []
        for event in events:
            body = json.dumps(event).encode()
            sent.append(client.publish(f"{self._topic}/{_level(str(event.get('camera', '')))}", body, qos=1))
        for number, message in enumerate(sent):
            message.wait_for_publish(timeout=max(until - time.monotonic(), 0.0))
            if not message.is_published():
                raise TimeoutError(f"{number} of {len(sent)} events acknowledged within {self._timeout_s:g} s")

    def _connect(self) -> "Client":
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, clean_session=False, reconnect_on_failure=False
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        client.connect_timeout = self._timeout_s
        if self._encrypted:
            client.tls_set(ca_certs=str(self._ca_file) if self._ca_file else None)
        if self._login.user:
            client.username_pw_set(self._login.user, self._login.password or None)
        answered, refusal = threading.Event(), list[OSError]()

        def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.value in DENIALS:
                refusal.append(DeniedError(f"{reason}: set {USER} and {PASSWORD} to what the broker knows this box by"))
            elif reason.is_failure:
                refusal.append(ConnectionError(str(reason)))
            answered.set()

        client.on_connect = on_connect
        client.connect(self._host, self._port, keepalive=KEEP_ALIVE_S)
        client.loop_start()
        if not answered.wait(self._timeout_s) or refusal:
            self._client = client  # so that it is dropped
            raise refusal[0] if refusal else ConnectionError(f"no answer within {self._timeout_s:g} s")
        return client

    def _drop(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            client.disconnect()
            client.loop_stop()


def _level(camera: str) -> str:
    """The camera's name as one level of a topic."""
    return "".join("_" if mark in "/+#\0" else mark for mark in camera) or "_"
