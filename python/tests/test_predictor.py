import json
import math
import time

import pytest

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from everband.predictor import create_activity

from sealed import ASKED, seal


def request(**more):
    return {
        "model": {"type": "activity", "taskQueue": "q", "activity": "predict", "settings": {"shift": 1}},
        **{"seed": 7, "epochs": 2, "training": {"curves": [[3, 2], [4, 3]], "targets": [1, 2]}},
        **{"candidates": [[5, 4], [6, 5]]},
        **{"study": "s", "seal": seal("s", None, ASKED)},
        **more,
    }


def answer(predict, message=None):
    given = ActivityEnvironment().run(create_activity(predict), message or request())
    json.dumps(given, allow_nan=False)
    return given


def test_predicts_with_the_settings_of_the_study() -> None:
    def predict(message):
        shift = message["model"]["settings"]["shift"]
        return {"outcome": "predicted", "losses": (curve[-1] - shift for curve in message["candidates"])}

    assert answer(predict) == {"outcome": "predicted", "losses": [3.0, 4.0]}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_impossible(bad: float) -> None:
    reason = "the predictor gave a value that is not finite"
    impossible = {"outcome": "impossible", "reason": reason}
    assert answer(lambda _: {"outcome": "predicted", "losses": [1, bad]}) == impossible
    given = {"outcome": "predicted", "losses": [1, 2], "deviation": bad}
    assert answer(lambda _: given, request(uncertainty=True)) == impossible


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"outcome": "impossible", "reason": "too few"}, "too few"),
        ({"outcome": "predicted", "losses": [1]}, "1 losses for 2 candidates"),
        ({"outcome": "predicted", "losses": [1, 2]}, "no deviation"),
        ({"outcome": "predicted", "losses": [1, 2], "deviation": -1}, "deviation of -1"),
        ({"outcome": "predicted"}, "KeyError"),
        (None, "TypeError"),
    ],
)
def test_says_why_there_is_no_answer(given, reason: str) -> None:
    impossible = answer(lambda _: given, request(uncertainty=True))
    assert impossible["outcome"] == "impossible" and reason in impossible["reason"]


def test_an_exception_is_impossible() -> None:
    def predict(message):
        raise RuntimeError("singular matrix")

    assert answer(predict) == {"outcome": "impossible", "reason": "the predictor failed: RuntimeError: singular matrix"}


def test_answers_only_what_a_sealed_study_asks_of_it() -> None:
    for wrong in ({"seal": None}, {"study": "other"}, {"seal": seal("s", None, {**ASKED, "taskQueue": "other"})}):
        with pytest.raises(ApplicationError) as caught:
            answer(lambda _: pytest.fail("asked"), request(**wrong))
        assert (caught.value.type, caught.value.non_retryable) == ("NotSealed", True)
    for garbage in (None, 7, [], "text"):
        with pytest.raises(ApplicationError):
            ActivityEnvironment().run(create_activity(lambda _: pytest.fail("asked")), garbage)


def test_beats_while_it_predicts_and_no_longer() -> None:
    beats: list[object] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)

    def predict(message):
        limit = time.monotonic() + 30
        while len(beats) < 3:
            assert time.monotonic() < limit
            time.sleep(0.05)
        return {"outcome": "predicted", "losses": [1, 2]}

    assert environment.run(create_activity(predict), request())["outcome"] == "predicted"
    seen = len(beats)
    time.sleep(1.3)
    assert len(beats) == seen
