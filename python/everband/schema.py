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
    check_version(segment, 2, 3, 4)
    version = segment["schemaVersion"]
    source = segment.get("source")
    for name in (segment["study"], segment["trial"]["id"], *([source["trial"]] if source else [])):
        # They become folder names.
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise _invalid(f"{name!r} cannot be a name")
    identity = segment.get("identity") or {}
    if not isinstance(identity.get("id"), str) or not identity["id"] or not _is_count(identity.get("incarnation")):
        raise _invalid(f'identity must be {{"id": text, "incarnation": 0, 1, ...}}, the request has {identity!r}')
    if source and not (_is_count(source["epoch"]) and source["epoch"] >= 1):
        raise _invalid(f'source.epoch must be an epoch, 1 or more; the request has {source["epoch"]}')
    if version == 2 and source and source["epoch"] != segment["from"]:
        wanted = f'source.epoch must be "from" with schemaVersion 2, which is {segment["from"]}'
        raise _invalid(f'{wanted}; the request has {source["epoch"]}')
    shift = segment.get("shift")
    if version != 2 and not (isinstance(shift, int) and not isinstance(shift, bool)):
        raise _invalid(f"shift must be a whole number, the request has {shift!r}")
    if version == 4:
        _check_metrics(segment.get("metrics"))


def _check_metrics(metrics: Any) -> None:
    if not (isinstance(metrics, list) and metrics and all(isinstance(name, str) for name in metrics)):
        raise _invalid(f"metrics must be a list of names, the request has {metrics!r}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _invalid(message: str) -> ApplicationError:
    return ApplicationError(message, type="InvalidStudy", non_retryable=True)
