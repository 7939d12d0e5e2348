"""What this package can read of what a workflow asks for."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError


def check_version(request: Any, *readable: int) -> None:
    """Raises a failure that the server retries, ever more slowly: workers are updated one after the other, and one that
    reads the request may be the next to be asked."""
    version = request.get("schemaVersion")
    if version in readable:
        return
    *others, last = map(str, readable)
    known = f"{', '.join(others)} and {last}" if others else last
    raise ApplicationError(
        f"this worker reads schemaVersion {known}, the request has {version!r}; update the older of the two",
        type="UnsupportedSchema",
        next_retry_delay=timedelta(seconds=min(30, 2 ** min(10, activity.info().attempt - 1))),
    )


def check_segment(segment: Any) -> None:
    """Raises a failure that is not retried and names what is wrong, for a request that no trainer could be given."""
    if not isinstance(segment, dict):
        raise _invalid("the request must be a mapping")
    check_version(segment, 2, 3, 4)
    version = segment["schemaVersion"]
    trial, source, training = segment.get("trial"), segment.get("source"), segment.get("training")
    for key, value in (("trial", trial), ("training", training), ("trainer", segment.get("trainer"))):
        if not isinstance(value, dict):
            raise _invalid(f"{key} must be a mapping, the request has {value!r}")
    assert isinstance(trial, dict) and isinstance(training, dict)
    if source is not None and not isinstance(source, dict):
        raise _invalid(f"source must be a mapping, the request has {source!r}")
    for name in (segment.get("study"), trial.get("id"), *([source.get("trial")] if source else [])):
        require_name(name)
    if not isinstance(trial.get("config"), dict) or not _is_count(trial.get("seed")) or trial["seed"] >= 2**32:
        raise _invalid("trial must have a config and a seed")
    metric = segment.get("metric")
    if not isinstance(metric, str) or metric in ("", "epoch", "checkpoint"):
        raise _invalid(f"metric must be a name, the request has {metric!r}")
    for key in ("from", "to"):
        if not _is_count(segment.get(key)):
            raise _invalid(f"{key} must be a whole number of 0 or more, the request has {segment.get(key)!r}")
    for key in ("maxLosses", "epochTimeoutSeconds", "graceSeconds"):
        number = training.get(key)
        if not isinstance(number, (int, float)) or isinstance(number, bool) or number < 0:
            raise _invalid(f"training.{key} must be a number of 0 or more, the request has {number!r}")
    identity = segment.get("identity")
    known = identity if isinstance(identity, dict) else {}
    if not isinstance(known.get("id"), str) or not 0 < len(known["id"]) <= 200 or not _is_count(known.get("incarnation")):
        raise _invalid(f'identity must be {{"id": text, "incarnation": 0, 1, ...}}, the request has {identity!r}')
    if source and not (_is_count(source.get("epoch")) and source["epoch"] >= 1):
        raise _invalid(f'source.epoch must be an epoch, 1 or more; the request has {source.get("epoch")}')
    if version == 2 and source and source["epoch"] != segment["from"]:
        wanted = f'source.epoch must be "from" with schemaVersion 2, which is {segment["from"]}'
        raise _invalid(f'{wanted}; the request has {source["epoch"]}')
    shift = segment.get("shift")
    if version != 2 and not (isinstance(shift, int) and not isinstance(shift, bool)):
        raise _invalid(f"shift must be a whole number, the request has {shift!r}")
    if version == 4:
        _check_metrics(segment.get("metrics"))


def require_name(name: Any) -> None:
    """It becomes that of a folder. Raises a failure that is not retried."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", name):
        raise _invalid(f"{name!r} cannot be a name")


def _check_metrics(metrics: Any) -> None:
    if not (isinstance(metrics, list) and metrics and all(isinstance(name, str) for name in metrics)):
        raise _invalid(f"metrics must be a list of names, the request has {metrics!r}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _invalid(message: str) -> ApplicationError:
    return ApplicationError(message, type="InvalidStudy", non_retryable=True)
