"""A predictor in Python, for studies whose model is `{type: activity, taskQueue: ...}`.

    import everband.predictor

    def predict(request):
        model = fit(request["training"]["curves"], request["training"]["targets"])
        return {"outcome": "predicted", "losses": model.predict(request["candidates"])}

    everband.predictor.run(predict, task_queue="predictors")

A request has `epochs` (t: how many losses of a curve are known), `training` (`curves`, the first t losses of each, and
`targets`, the loss each had at the rung), `candidates` (curves to predict for), `seed` (the same for the same decision
point of a study), `uncertainty` (whether the answer needs a `deviation`) and `model` with its `settings`. Losses are
minimised: a metric to maximise comes negated.

Needs the package `temporalio`.
"""

from __future__ import annotations

import math
import os
import traceback
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from temporalio import activity

from .beat import Beat
from .polling import poll
from .seal import require_seal

Predict = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Answers `{"outcome": "predicted", "losses": [...]}`, one loss per candidate, with a `deviation` (the standard
deviation of the residuals of cross-validation) where the request asks for it; or `{"outcome": "impossible", "reason":
"..."}`, and then nobody is stopped."""


def create_activity(
    predict: Predict, name: str = "predict", state_dir: Union[str, Path, None] = None
) -> Callable[[Any], Any]:
    """The activity, for a worker of your own; synchronous, so that worker needs an `activity_executor`.

    Only what a study asks that was sealed with this worker's key is answered; see `run` for `state_dir`.

    An exception, a missing or surplus loss and a value that is not finite become `impossible`: asking again would give
    the same, and a predictor must not hold up a study. It beats every second while `predict` runs, from a thread: for
    studies that say `heartbeatSeconds`, by which a worker that was killed or is frozen is found out.
    """

    root = Path(state_dir or os.environ.get("EVERBAND_HOME") or ".everband").resolve()

    @activity.defn(name=name, no_thread_cancel_exception=True)
    def answer(request: Any) -> Any:
        require_asked(root, request)
        try:
            with Beat({}):
                return _checked(predict(request), request)
        except Exception as error:
            activity.logger.warning("the predictor failed:\n%s", traceback.format_exc())
            return _impossible(f"the predictor failed: {type(error).__name__}: {error}")

    return answer


def run(
    predict: Predict,
    *,
    task_queue: str,
    address: Optional[str] = None,
    namespace: Optional[str] = None,
    name: str = "predict",
    slots: int = 1,
    state_dir: Union[str, Path, None] = None,
) -> None:
    """Polls `task_queue` and predicts until the process is told to end; `slots` requests at a time.

    The server is the one Temporal's environment variables and profile name, or `address`. `state_dir` is Everband's folder,
    by default what EVERBAND_HOME names or `.everband`: it holds the key by which sealed studies are told, unless
    EVERBAND_KEY_FILE names another.
    """

    poll(create_activity(predict, name, state_dir), task_queue=task_queue, slots=slots, address=address, namespace=namespace)


def require_asked(root: Path, request: Any) -> None:
    """Raises ApplicationError unless a sealed study asks this very activity."""
    info = activity.info()
    known = request if isinstance(request, dict) else {}
    asked = {"taskQueue": info.task_queue, "activity": info.activity_type}
    require_seal(root, known.get("study"), known.get("seal"), predictor=asked)


def _checked(answer: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    if answer["outcome"] == "impossible":
        return _impossible(str(answer["reason"]))
    # numpy's numbers are not JSON, and neither are NaN and the infinities.
    losses = [float(loss) for loss in answer["losses"]]
    wanted = len(request["candidates"])
    if len(losses) != wanted:
        return _impossible(f"the predictor gave {len(losses)} losses for {wanted} candidates")
    checked: dict[str, Any] = {"outcome": "predicted", "losses": losses}
    if request.get("uncertainty"):
        if answer.get("deviation") is None:
            return _impossible("the predictor gave no deviation, and one was asked for")
        checked["deviation"] = float(answer["deviation"])
    if not all(math.isfinite(value) for value in [*losses, checked.get("deviation", 0.0)]):
        return _impossible("the predictor gave a value that is not finite")
    if checked.get("deviation", 0.0) < 0:
        return _impossible(f"the predictor gave a deviation of {checked['deviation']}")
    return checked


def _impossible(reason: str) -> dict[str, Any]:
    return {"outcome": "impossible", "reason": reason}
