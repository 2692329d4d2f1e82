"""Ed25519 keys: the private one signs bundles where models are promoted, the public one travels with every box."""

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE_MODE = 0o600


class KeyFileError(ValueError):
    """A key file that cannot be used; the message names file and remedy."""


def generate_keys(private: Path, public: Path) -> str:
    """Write a new key pair (PEM; the private one for its owner alone) and return its key id; overwrites nothing."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for file in (private, public):
        if file.exists():
            raise KeyFileError(f"{file} exists: bundles signed with it would no longer verify; choose another name")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    open_text = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private.parent.mkdir(parents=True, exist_ok=True)
    public.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)  # never, not for an instant, wider
    with os.fdopen(handle, "wb") as stream:
        stream.write(secret)
    public.write_bytes(open_text)
    return key_id(key.public_key())


def read_private_key(file: Path) -> "Ed25519PrivateKey":
    """Read a signing key; refuses one that others on the machine may read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(file)
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyFileError(
            f"{file} has mode {mode:04o}, {PRIVATE_MODE:04o} is the bound: run chmod 600 on it, or make a new key"
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(
            f"{file} is no unencrypted PEM private key ({error}): make one with `storeloop edge keygen`"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(
            f"{file} holds a {type(key).__name__}, Ed25519 is asked: make one with `storeloop edge keygen`"
        )
    return key


def read_public_key(file: Path) -> "Ed25519PublicKey":
    """Read the key that a box trusts."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(file))
    except (ValueError, TypeError) as error:
        raise KeyFileError(
            f"{file} is no PEM public key ({error}): copy the one that `storeloop edge keygen` wrote"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(
            f"{file} holds a {type(key).__name__}, Ed25519 is asked: copy the one of `storeloop edge keygen`"
        )
    return key


def key_id(public: "Ed25519PublicKey") -> str:
    """First 16 hex digits of the SHA-256 of the raw public key: names a key in messages, proves nothing."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sign(key: "Ed25519PrivateKey", content: bytes) -> str:
    """Signature of `content`, base64."""
    return base64.b64encode(key.sign(content)).decode("ascii")


def is_signed(public: "Ed25519PublicKey", content: bytes, signature: str) -> bool:
    """Whether `signature` (base64) over `content` was made with the private half of `public`."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"{file} cannot be read ({error.strerror}): make a pair with `storeloop edge keygen`"
        ) from error
