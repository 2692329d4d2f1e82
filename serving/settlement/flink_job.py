"""The Flink job of totals as SQL, with what is set for it put in; `deploy/streams/submit.py` submits it."""

import re
from pathlib import Path
from string import Template

from pydantic import BaseModel, ConfigDict, Field

_JOB = Path(__file__).parents[1] / "deploy" / "streams" / "totals.sql"
_PLAIN = r"^[A-Za-z0-9_.:,/@ \-]{1,500}$"  # nothing that would end a text of SQL


class FlinkJobConfig(BaseModel):
    """What the job reads, what it calls suspicious, and where it keeps what it knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: str = Field(
        pattern=_PLAIN, description="Kafka brokers as Flink reaches them: host:port, several by commas"
    )
    checkpoints: str = Field(pattern=_PLAIN, description="folder of checkpoints as an address: file:///..., s3://...")
    topics: str = Field(default="shop", pattern=_PLAIN, description="what the names of the logs begin with")
    checkpoint_interval: str = Field(default="10 s", pattern=r"^[0-9]{1,6} (ms|s|min)$")
    state_ttl: str = Field(
        default="0 s",
        pattern=r"^[0-9]{1,6} (s|min|h|d)$",
        description="a minute without entries for so long is forgotten, and a correction after that puts a wrong total in place of "
        "the right one; 0 s: none is ever forgotten",
    )
    refunds: int = Field(
        default=3, ge=1, le=1_000_000, description="refunds of an account in an hour that are suspicious"
    )
    refunded_cents: int = Field(default=5_000, ge=1, le=10**9, description="cents given back in an hour that are")
    recover: str = Field(
        default="",
        pattern=rf"{_PLAIN[:-1]}$|^$",
        description="checkpoint to go on from: .../chk-N; none: from the first entry",
    )


def job(config: FlinkJobConfig) -> str:
    """The statements, in the order in which they are to be run."""
    values = config.model_dump(exclude={"recover"})
    text = Template(_JOB.read_text(encoding="utf-8").replace("${...}", "What stands in braces")).substitute(values)
    statements = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    recover = f"SET 'execution.state-recovery.path' = '{config.recover}';\n" if config.recover else ""
    return recover + statements.lstrip()
