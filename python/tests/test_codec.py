"""The same wire as in TypeScript, and what is refused on it."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from everband import codec

FIXTURE = json.loads((Path(__file__).parent.parent.parent / "test/fixtures/codec.json").read_text("utf-8"))


@pytest.fixture
def file(monkeypatch, tmp_path):
    path = tmp_path / "codec.json"
    write(path, FIXTURE["keys"])
    monkeypatch.setenv(codec.KEYS_VARIABLE, str(path))
    return path


def write(path, keys, mode=0o600):
    path.write_text(keys if isinstance(keys, str) else json.dumps(keys))
    path.chmod(mode)


def sealed(case):
    metadata = {"encoding": b"binary/encrypted", "encryption-key-id": case["keyId"].encode()}
    return Payload(metadata=metadata, data=base64.b64decode(case["data"]))


def plain(text):
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def decode(*payloads):
    return asyncio.run(codec.data_converter().payload_codec.decode(payloads))


def encode(*payloads):
    return asyncio.run(codec.data_converter().payload_codec.encode(payloads))


def refusal(payload):
    return json.loads(decode(payload)[0].data)["everbandRefused"]


def test_reads_what_both_languages_are_held_to(file):
    for case in FIXTURE["cases"]:
        expected = case["plain"]
        read = decode(sealed(case))[0]
        assert (read.metadata["encoding"].decode(), read.data.decode()) == (expected["encoding"], expected["data"] or "")


def test_encrypts_with_the_current_key_and_a_nonce_of_its_own(file):
    one, two = encode(plain('"secret"'), plain('"secret"'))
    assert (one.metadata["encryption-key-id"], one.data[0]) == (b"k2", 1)
    assert b"secret" not in one.data
    assert one.data[1:13] != two.data[1:13]
    assert decode(one, two) == [plain('"secret"'), plain('"secret"')]


def test_refuses_every_byte_that_was_changed(file):
    whole = sealed(FIXTURE["cases"][1])
    for at in range(1, len(whole.data)):
        data = bytearray(whole.data)
        data[at] ^= 1
        why = refusal(Payload(metadata=whole.metadata, data=bytes(data)))
        assert why.startswith("a payload that names key k2 was not encrypted with it, or was changed since. Fix: ")
    for length in (1, 12, 28, len(whole.data) - 1):
        assert "or was changed since" in refusal(Payload(metadata=whole.metadata, data=whole.data[:length]))


def test_refuses_what_is_plain(file):
    says = "a payload is not encrypted (its encoding is \"json/plain\"), and EVERBAND_CODEC_KEYS is set here"
    assert refusal(plain("{}")).startswith(says)


def test_says_of_a_key_that_another_worker_may_have_it(file):
    with pytest.raises(ApplicationError) as failed:
        decode(sealed({**FIXTURE["cases"][0], "keyId": "k9"}))
    assert (failed.value.type, failed.value.non_retryable) == ("PayloadUnread", False)
    says = f'a payload is encrypted with key "k9", and {file} has k1, k2. Fix: add that key to the file, beside the others'
    assert failed.value.message == says


def test_says_where_it_is_off_which_setting_reads_it(monkeypatch):
    monkeypatch.delenv(codec.KEYS_VARIABLE, raising=False)
    with pytest.raises(ApplicationError, match=r'\(key "k1"\), and EVERBAND_CODEC_KEYS is not set here\. Fix: set '):
        decode(sealed(FIXTURE["cases"][0]))
    assert decode(*encode(plain("1"))) == [plain("1")]


def test_takes_up_a_new_key_without_a_restart(file):
    running = codec.data_converter().payload_codec
    before = asyncio.run(running.encode([plain("1")]))
    keys = {"k3": base64.b64encode(os.urandom(32)).decode(), **FIXTURE["keys"]["keys"]}
    write(file, {"current": "k3", "keys": keys})
    after = asyncio.run(running.encode([plain("1")]))
    assert after[0].metadata["encryption-key-id"] == b"k3"
    write(file, '{"current":')
    assert asyncio.run(running.decode([*before, *after])) == [plain("1"), plain("1")]


KEY = FIXTURE["keys"]["keys"]["k1"]


@pytest.mark.parametrize(
    ("keys", "mode", "says"),
    [
        (FIXTURE["keys"], 0o640, "may be read by others (its mode is 640). Fix: chmod 600 "),
        ('{"current":', 0o600, "is not JSON. Fix: write "),
        ("null", 0o600, 'has no "keys"'),
        ({"current": "k1", "keys": {"k1": "c2hvcnQ="}}, 0o600, "has a key k1 that is not 32 bytes in base64. Fix: "),
        ({"current": "k1", "keys": {"k1": 7}}, 0o600, "has a key k1 that is not 32 bytes in base64. Fix: "),
        ({"current": "k1", "keys": {"k 1": KEY}}, 0o600, 'calls a key "k 1"'),
        ({"current": "k7", "keys": {"k1": KEY}}, 0o600, 'names "k7" as "current", and has k1. Fix: name one of its keys'),
    ],
)
def test_reads_no_file_that_others_may_read_and_says_what_is_wrong(file, keys, mode, says):
    write(file, keys, mode)
    with pytest.raises(codec.CodecError) as failed:
        codec.data_converter()
    assert str(failed.value).startswith(f"EVERBAND_CODEC_KEYS: {file} ") and says in str(failed.value)


def test_a_worker_says_it_in_one_line(file, monkeypatch):
    file.unlink()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    script = "import everband.predictor; everband.predictor.run(print, task_queue='q')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"EVERBAND_CODEC_KEYS: {file} cannot be read (") and done.stderr.count("\n") == 1


def test_an_input_that_was_refused_fails_its_activity_for_good():
    class Inner(ActivityInboundInterceptor):
        def __init__(self):
            pass

        async def execute_activity(self, input):
            return "ran"

    refusing = codec.Refusals().intercept_activity(Inner())

    def run(argument):
        return asyncio.run(refusing.execute_activity(ExecuteActivityInput(fn=print, args=[argument], executor=None, headers={})))

    assert run({"trial": "b3-t017"}) == "ran"
    with pytest.raises(ApplicationError, match="a payload is not encrypted") as failed:
        run({"everbandRefused": "a payload is not encrypted"})
    assert (failed.value.type, failed.value.non_retryable) == ("PayloadRefused", True)
