"""The same bounds, and the same words, as in test/trainers/epoch-log.test.ts."""

import json
from pathlib import Path
from typing import Any

import pytest

from everband.epoch_log import EpochBound, append_epochs, epoch_file, format_epoch_line, other_numbers

FIXTURE = Path(__file__).parents[2] / "test" / "fixtures" / "epochs.json"


@pytest.mark.parametrize("case", json.loads(FIXTURE.read_text(encoding="utf-8"))["lines"])
def test_bounds(case: Any) -> None:
    names = [str(i).rjust(2, "0").ljust(case["characters"], "ö") for i in range(case["names"])]
    line = {"epoch": 3, "seconds": 1, "host": "h", "attempt": 1, "identity": {"id": "one", "incarnation": 0}}
    line["values"] = {name: case["value"] for name in names}
    if "problem" in case:
        with pytest.raises(EpochBound) as caught:
            format_epoch_line(line)
        assert str(caught.value) == case["problem"]
    else:
        assert json.loads(format_epoch_line(line)) == line


def test_reads_every_number_and_none_where_it_is_not_finite() -> None:
    message = json.loads('{"epoch":1,"loss":0.5,"checkpoint":"e1","a":0.9,"b":NaN,"c":-Infinity,"d":null,"e":"x","f":true}')
    assert other_numbers(message, "loss") == {"a": 0.9, "b": None, "c": None, "d": None}


def test_goes_on_behind_half_a_line(tmp_path: Path) -> None:
    file = epoch_file(tmp_path, "t")
    with pytest.raises(FileNotFoundError):
        append_epochs(file, ["1\n"])
    file.parent.mkdir()
    append_epochs(file, ["1\n"])
    with open(file, "a") as torn:
        torn.write("half")
    append_epochs(file, ["2\n", "3\n"])
    assert file.read_text() == "1\nhalf\n2\n3\n"
