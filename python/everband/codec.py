"""Payloads that only holders of a key can read, where EVERBAND_CODEC_KEYS names a file of keys.

The wire is that of cluster/codec.ts, and both are held to test/fixtures/codec.json; docs/codec.md describes it. A worker of
your own takes part with both of

    client = await Client.connect(..., data_converter=everband.codec.data_converter())
    worker = Worker(client, ..., interceptors=[everband.codec.Refusals()])

Needs the packages `temporalio` and, with keys, `cryptography`.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import re
import sys
from typing import Any, Mapping, NoReturn, Optional, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

#: Names the file of keys; nothing is encrypted where it is not set.
KEYS_VARIABLE = "EVERBAND_CODEC_KEYS"

_ENCODING = b"binary/encrypted"
_WIRE_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: The key of what stands for a payload that was refused.
_REFUSED = "everbandRefused"


class CodecError(Exception):
    """One line: what is wrong with the file of keys, and what to do."""


@dataclasses.dataclass(frozen=True)
class Keys:
    """What a file of keys holds."""

    current: str
    keys: Mapping[str, bytes]


def data_converter() -> DataConverter:
    """What every client is made with. Raises CodecError when the setting names no file of keys."""
    named = os.environ.get(KEYS_VARIABLE)
    if not named:
        return dataclasses.replace(DataConverter.default, payload_codec=PlainCodec())
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=EncryptingCodec(os.path.abspath(named)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


class Refusals(Interceptor):
    """Makes a failure that is not tried again of an input that was refused; the package would retry for ever."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Refusing(next)


class _Refusing(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        for argument in input.args:
            why = argument.get(_REFUSED) if isinstance(argument, dict) else None
            if isinstance(why, str):
                raise ApplicationError(why, type="PayloadRefused", non_retryable=True)
        return await super().execute_activity(input)


class PlainCodec(PayloadCodec):
    """Without keys: what is plain is read as it is, and what is encrypted is said to be."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for payload in payloads:
            if payload.metadata.get("encoding") == _ENCODING:
                _unread(
                    f"a payload is encrypted (key {_shown(payload.metadata.get('encryption-key-id'))}), and {KEYS_VARIABLE} is "
                    f"not set here. Fix: set {KEYS_VARIABLE} to the file of keys that the other clients and workers have"
                )
        return list(payloads)


class EncryptingCodec(PayloadCodec):
    """AES-256-GCM. Reads its file again when that changes, so that keys are rotated without a restart."""

    def __init__(self, file: str) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise CodecError(
                f"{KEYS_VARIABLE} is set, and the Python package cryptography is missing. Fix: pip install cryptography"
            ) from None
        self._cipher = AESGCM
        self._file = file
        self._version = self._version_of()
        self._known = read_keys(file)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        keys = self._keys
        return [self._seal(payload, keys.current, keys.keys[keys.current]) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload, key_id: str, key: bytes) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher(key).encrypt(nonce, payload.SerializeToString(), _associated(key_id))
        return Payload(
            metadata={"encoding": _ENCODING, "encryption-key-id": key_id.encode()},
            data=bytes([_WIRE_VERSION]) + nonce + sealed,
        )

    def _open(self, payload: Payload) -> Payload:
        encoding = payload.metadata.get("encoding")
        if encoding != _ENCODING:
            return _refused(
                f"a payload is not encrypted (its encoding is {_shown(encoding)}), and {KEYS_VARIABLE} is set here: plain payloads "
                f"are refused. Fix: set {KEYS_VARIABLE} for every client and worker; a study that was started without it needs "
                "workers without it"
            )
        named = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
        keys = self._keys.keys
        key = keys.get(named)
        if key is None:
            _unread(
                f"a payload is encrypted with key {_shown(payload.metadata.get('encryption-key-id'))}, and {self._file} has "
                f"{', '.join(keys)}. Fix: add that key to the file, beside the others"
            )
        version = payload.data[0] if payload.data else "none"
        if version != _WIRE_VERSION:
            _unread(
                f"a payload is encrypted in version {version} of the format, and this program reads {_WIRE_VERSION}. "
                "Fix: update the older of the two"
            )
        nonce, sealed = payload.data[1 : 1 + _NONCE_BYTES], payload.data[1 + _NONCE_BYTES :]
        try:
            return Payload.FromString(self._cipher(key).decrypt(nonce, sealed, _associated(named)))
        except Exception:
            return _refused(
                f"a payload that names key {named} was not encrypted with it, or was changed since. "
                f"Fix: give every client and worker the same key {named}; a payload that was changed is lost"
            )

    @property
    def _keys(self) -> Keys:
        version = self._version_of()
        if version != self._version:
            try:
                self._known = read_keys(self._file)
                self._version = version
            except CodecError:
                pass  # Half written, or gone for a moment: what was read last still holds.
        return self._known

    def _version_of(self) -> Optional[tuple[int, int, int]]:
        try:
            found = os.stat(self._file)
            return found.st_mtime_ns, found.st_ino, found.st_size
        except OSError:
            return None


def read_keys(file: str) -> Keys:
    """Raises CodecError when the file is missing, readable for others, or no file of keys."""

    def wrong(what: str, fix: str) -> NoReturn:
        raise CodecError(f"{KEYS_VARIABLE}: {file} {what}. Fix: {fix}") from None

    try:
        mode = os.stat(file).st_mode & 0o777
        if sys.platform != "win32" and mode & 0o077:
            wrong(f"may be read by others (its mode is {mode:o})", f"chmod 600 {file}")
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    except (OSError, UnicodeError) as error:
        wrong(f"cannot be read ({error})", f"`everband codec new --file {file}`, or name the file that the other workers have")
    example = '{"current": "k1", "keys": {"k1": "<32 bytes in base64>"}}'
    try:
        read = json.loads(text)
    except ValueError:
        wrong("is not JSON", f"write {example}")
    given = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(given, dict) or not given:
        wrong('has no "keys"', f"write {example}")
    keys = {}
    for key_id, encoded in given.items():
        if not _KEY_ID.fullmatch(key_id):
            wrong(f"calls a key {json.dumps(key_id)}", 'a key id has at most 64 letters, digits, ".", "_" and "-"')
        try:
            key = base64.b64decode(encoded, validate=True)
        except (TypeError, ValueError, binascii.Error):
            key = b""
        # Never the value itself: it may be a key with a slip of the pen.
        if len(key) != _KEY_BYTES:
            wrong(f"has a key {key_id} that is not {_KEY_BYTES} bytes in base64", "`openssl rand -base64 32` makes one")
        keys[key_id] = key
    current = read.get("current")
    if not isinstance(current, str) or current not in keys:
        wrong(f'names {json.dumps(current)} as "current", and has {", ".join(keys)}', "name one of its keys")
    return Keys(current, keys)


def _associated(key_id: str) -> bytes:
    """The key's id is authenticated too: whoever changes it changes nothing but what cannot be read."""
    return f"everband payload {_WIRE_VERSION} {key_id}".encode()


def _unread(message: str) -> NoReturn:
    """Another process may have the key, so that the server may ask again."""
    raise ApplicationError(message, type="PayloadUnread")


def _refused(message: str) -> Payload:
    """Stands for a payload that nobody will ever read."""
    value = json.dumps({_REFUSED: message, "message": message})
    return Payload(metadata={"encoding": b"json/plain"}, data=value.encode())


def _shown(text: Optional[bytes]) -> str:
    """A stranger's text, in one line."""
    return "none" if text is None else json.dumps(text.decode(errors="replace")[:80])
