"""The same seals as trust/seal.ts makes, and whose key may be believed."""

import json
from pathlib import Path

import pytest

from everband.seal import KeyProblem, seal_keys, seal_problem

FIXTURE = json.loads((Path(__file__).parents[2] / "test/fixtures/seal.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: case["what"])
def test_tells_what_was_sealed(case, monkeypatch) -> None:
    monkeypatch.setenv("EVERBAND_KEY", " ".join(case["keys"]))
    claim = {key: case["claim"][key] for key in ("trainer", "predictor") if key in case["claim"]}
    problem = seal_problem(lambda: seal_keys(Path("nowhere")), case["claim"]["study"], case["seal"], **claim)
    assert problem == case["problem"]


def test_believes_only_a_key_that_nobody_else_can_read_or_replace(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("EVERBAND_KEY")
    with pytest.raises(KeyProblem, match="there is no key in"):
        seal_keys(tmp_path)
    key = tmp_path / "key"
    key.write_text(FIXTURE["cases"][0]["keys"][0] + "\n")
    key.chmod(0o640)
    with pytest.raises(KeyProblem, match="open to other users .* Fix: chmod go-rwx"):
        seal_keys(tmp_path)
    key.chmod(0o600)
    tmp_path.chmod(0o770)
    with pytest.raises(KeyProblem, match="Fix: chmod go-w"):
        seal_keys(tmp_path)
    tmp_path.chmod(0o700)
    assert len(seal_keys(tmp_path)[0]) == 32
    for text in ("", "short", "not base64!" * 8):
        key.write_text(text)
        with pytest.raises(KeyProblem, match="must hold keys of 32 bytes"):
            seal_keys(tmp_path)
