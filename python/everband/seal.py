"""Seals of studies (trust/seal.ts; both are held to test/fixtures/seal.json).

Whoever reaches a Temporal server may schedule any activity on a task queue: what is sealed comes from a study that a holder
of the key has started. The key is EVERBAND_KEY (text), else the file of EVERBAND_KEY_FILE, else `<state>/key`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, Optional

from temporalio.exceptions import ApplicationError

from .canonical import canonical_json

_KEY_BYTES = 32


class KeyProblem(Exception):
    """The key is missing, malformed, or within reach of others; the message says what to do."""


def require_seal(state_dir: Path, study: Any, seal: Any, **claim: Any) -> None:
    """Raises ApplicationError unless a holder of the key sealed the study; `claim`: its `trainer` or `predictor`, where
    what is asked depends on it."""
    try:
        problem = seal_problem(lambda: seal_keys(state_dir), study, seal, **claim)
    except KeyProblem as error:
        # Another worker may have the key, and this one once it is mended.
        raise ApplicationError(str(error), type="NoKey", next_retry_delay=timedelta(seconds=10)) from None
    if problem is not None:
        raise ApplicationError(
            f"study {study} {problem}, and nothing is run, written or removed for it. Fix: start it with `everband start`, "
            f"which seals it; one that was begun without a seal goes on from its record by `everband start --recover {study}`",
            type="NotSealed",
            non_retryable=True,
        )


def seal_problem(keys: Callable[[], list[bytes]], study: Any, seal: Any, **claim: Any) -> Optional[str]:
    """What is wrong with a seal, as the end of a sentence; None when one of the keys made it for what is claimed. `keys` are
    asked for only where something is a seal."""
    if seal is None:
        return "carries no seal"
    parts = seal.split(".") if isinstance(seal, str) and isinstance(study, str) else []
    if len(parts) != 4 or parts[0] != "v1" or not all(parts):
        return "carries something that is no seal"
    _, trainer, predictor, mac = parts
    if not any(hmac.compare_digest(mac.encode(), _mac(key, study, trainer, predictor)) for key in keys()):
        return "carries a seal of another study, or of a key that this worker does not have"
    if "trainer" in claim and not hmac.compare_digest(trainer.encode(), _digest(claim["trainer"])):
        return "was sealed with another trainer"
    if "predictor" in claim and not hmac.compare_digest(predictor.encode(), _digest(claim["predictor"])):
        return "was sealed with another predictor"
    return None


def seal_keys(state_dir: Path) -> list[bytes]:
    """Any of them may have sealed what is looked at. Raises KeyProblem."""
    given = os.environ.get("EVERBAND_KEY")
    if given:
        return _keys_in(given, "EVERBAND_KEY")
    named = os.environ.get("EVERBAND_KEY_FILE")
    path = Path(named) if named else state_dir / "key"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise KeyProblem(f"EVERBAND_KEY_FILE names {path}, and there is no such file") from None
        raise KeyProblem(
            f"there is no key in {state_dir} to tell sealed studies by. Fix: start studies where this worker's state folder "
            "is (EVERBAND_HOME), or give client and workers the same EVERBAND_KEY_FILE"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyProblem(f"the key cannot be read: {error}") from None
    _require_private(path, 0o077)
    _require_private(path.parent, 0o022)
    return _keys_in(text, str(path))


def _require_private(path: Path, mask: int) -> None:
    if not hasattr(os, "getuid"):
        return
    status = path.stat()
    # Root may read everything anyway: in a container a mounted file has the uid of whoever owns it outside.
    if os.getuid() != 0 and status.st_uid not in (os.getuid(), 0):
        raise KeyProblem(
            f"{path} belongs to another user (uid {status.st_uid}). Fix: use a key of your own (EVERBAND_KEY_FILE)"
        )
    # In a folder such as /tmp nobody can replace what is another's.
    sticky = mask == 0o022 and bool(status.st_mode & stat.S_ISVTX)
    if status.st_mode & mask and not sticky:
        fix = f"chmod {'go-rwx' if mask == 0o077 else 'go-w'} {path}"
        raise KeyProblem(
            f"{path} is open to other users (mode {status.st_mode & 0o777:o}), and the key that studies are sealed with must "
            f"not be. Fix: {fix}"
        )


def _keys_in(text: str, where: str) -> list[bytes]:
    keys = [_decoded(word) for word in text.split()]
    if keys and all(len(key) >= _KEY_BYTES for key in keys):
        return keys
    raise KeyProblem(
        f"{where} must hold keys of {_KEY_BYTES} bytes or more in base64, such as `openssl rand -base64 32` prints"
    )


def _decoded(word: str) -> bytes:
    plain = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return b""


def _mac(key: bytes, study: str, trainer: str, predictor: str) -> bytes:
    text = "\n".join(["everband seal v1", study, trainer, predictor])
    return _base64url(hmac.new(key, text.encode(), hashlib.sha256).digest())


def _digest(value: Any) -> bytes:
    return _base64url(hashlib.sha256(canonical_json(value).encode()).digest())[:22]


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
