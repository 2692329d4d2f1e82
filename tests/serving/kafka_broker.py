"""A real single-node Kafka broker (KRaft) on loopback, from jars that Maven fetches once. Not a test."""

import base64
import resource
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic
from maven_jars import jars

from serving.settlement.transport_kafka import KafkaConfig


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class KafkaBroker:
    """The broker, whose data outlive it: `start`, `kill` (SIGKILL), `start` again, `stop`."""

    def __init__(self, home: Path) -> None:
        self._home, (self._port, controller) = home, free_ports(2)
        home.mkdir(parents=True)
        self._settings = home / "server.properties"
        told = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": home / "data",
            "log.flush.interval.messages": 1,  # one node alone: what it acknowledged lies on its disk
            "message.max.bytes": 16 << 20,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in told.items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatted = ("format", f"--cluster-id={cluster}", "-c", str(self._settings))  # one id in 64 begins with a dash
        if self._java("kafka.tools.StorageTool", *formatted).wait(60):
            raise RuntimeError((self._home / "broker.log").read_text()[-2_000:])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> KafkaConfig:
        return KafkaConfig(servers=f"127.0.0.1:{self._port}")

    def start(self) -> None:
        self._process = self._java("kafka.Kafka", str(self._settings))
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                AdminClient({"bootstrap.servers": self.config.servers, "log_level": 0}).list_topics(timeout=1)
                return
            except Exception:
                time.sleep(0.2)
        raise RuntimeError((self._home / "broker.log").read_text()[-2_000:])

    def fill(self, largest_file: int) -> None:
        """From now on until it ends no file of it grows beyond so many bytes, as if the disk were full."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def make_topics(self, *names: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.config.servers})  # what it promises ends with it
        made = admin.create_topics([NewTopic(name, 1, 1) for name in names])
        for each in made.values():
            each.result(60)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        small = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        with (self._home / "broker.log").open("ab") as log:
            return subprocess.Popen(
                ["java", *small, "-cp", f"{jars('kafka-pom.xml')}/*", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
            )
