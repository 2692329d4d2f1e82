"""Who may look at proposed prices, approve them or have them proposed, which boxes may tell of their labels, and who may enrol
products: by tokens of the environment, people then by a sealed cookie.

Tokens are kept as hashes and compared in constant time. A form carries a seal of its own, which no other site can know.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

Role = Literal["viewer", "approver", "proposer", "box", "engineer"]
VARIABLES: Mapping[Role, str] = {
    "viewer": "STORELOOP_SERVE_VIEWERS",
    "approver": "STORELOOP_SERVE_APPROVERS",
    "proposer": "STORELOOP_SERVE_PROPOSERS",
    "box": "STORELOOP_SERVE_BOXES",
    "engineer": "STORELOOP_SERVE_ENGINEERS",
}
MAY_PROPOSE: tuple[Role, ...] = ("proposer", "approver")
MAY_LOOK: tuple[Role, ...] = ("viewer", "approver")  # a proposer is a machine, whose token opens no page
TOKEN_LEAST, TOKEN_MOST, NAME_MOST = 16, 1_000, 100
SESSION_S = 12 * 3600.0


@dataclass(frozen=True)
class Person:
    """Somebody, or a box, by the name beside the token."""

    name: str
    role: Role


class Tokens:
    """The people and boxes that tokens were given to."""

    def __init__(self, told: Mapping[Role, str]) -> None:
        """told: of each role `name:token`, several by commas. ValueError for a token too short or long, or a name or token twice."""
        self._people: list[tuple[bytes, Person]] = []
        for role, entries in told.items():
            for entry in filter(None, (part.strip() for part in entries.split(","))):
                name, _, token = entry.partition(":")
                if not name.strip() or len(name) > NAME_MOST or not TOKEN_LEAST <= len(token) <= TOKEN_MOST:
                    raise ValueError(
                        f"a {role}'s entry is no `name:token` with a token of {TOKEN_LEAST} to {TOKEN_MOST:,} characters: mend "
                        f"{VARIABLES[role]}"
                    )
                self._people.append((_digest(token), Person(name.strip(), role)))
        names = [person.name for _, person in self._people]
        if len(set(names)) < len(names) or len({digest for digest, _ in self._people}) < len(names):
            raise ValueError(
                f"a name or a token of {', '.join(VARIABLES[role] for role in told)} is there twice: give each one of their own"
            )

    def __bool__(self) -> bool:
        return bool(self._people)

    def who(self, token: str) -> Person | None:
        """Whose token this is; every known one is compared, so that time tells nothing."""
        given, found = _digest(token), None
        for digest, person in self._people:
            if hmac.compare_digest(digest, given):
                found = person
        return found

    def by_header(self, authorization: str) -> Person | None:
        """Whose token a header `Authorization: Bearer TOKEN` carries."""
        scheme, _, token = authorization.partition(" ")
        return self.who(token.strip()) if scheme.lower() == "bearer" and len(token) <= TOKEN_MOST else None


class Roles(Tokens):
    """Those who may look at proposals and decide, with their sessions. `clock` gives seconds since 1970."""

    def __init__(
        self, approvers: str, viewers: str, proposers: str = "", *, key: bytes, clock: Callable[[], float]
    ) -> None:
        """key seals cookies; errors as `Tokens`."""
        super().__init__({"approver": approvers, "viewer": viewers, "proposer": proposers})
        # Another token ends all sessions.
        self._key = hmac.digest(key, b"".join(digest for digest, _ in self._people), "sha256")
        self._clock = clock

    def session(self, person: Person) -> str:
        """A cookie's value for somebody who has shown a token."""
        name = base64.urlsafe_b64encode(person.name.encode()).decode()
        content = f"{name}.{self._clock() + SESSION_S:.0f}.{secrets.token_urlsafe(12)}"
        return f"{content}.{self._seal('session', content)}"

    def person(self, session: str) -> Person | None:
        """Whose cookie this is; None for one that is not ours, too old, or of somebody who has no token any more."""
        content, _, seal = session.rpartition(".")
        if not session.isascii() or not hmac.compare_digest(seal, self._seal("session", content)):
            return None
        name, until, _ = content.split(".")
        if float(until) <= self._clock():
            return None
        called = base64.urlsafe_b64decode(name).decode()
        return next((person for _, person in self._people if person.name == called), None)

    def form_seal(self, session: str) -> str:
        """What the forms of a session carry."""
        return self._seal("form", session)

    def check_form(self, session: str, given: str) -> bool:
        """Whether a form comes from a page that was made for this session."""
        return given.isascii() and hmac.compare_digest(given, self.form_seal(session))

    def _seal(self, purpose: str, content: str) -> str:
        return hmac.new(self._key, f"{purpose}\n{content}".encode(), sha256).hexdigest()


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
