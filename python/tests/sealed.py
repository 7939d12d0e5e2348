"""What a client does so that workers trust a study."""

import base64

from temporalio.testing import ActivityEnvironment

from everband.seal import _digest, _mac

_INFO = ActivityEnvironment.default_info()
#: What an activity environment says it is asked for.
ASKED = {"taskQueue": _INFO.task_queue, "activity": _INFO.activity_type}

KEY = base64.b64encode(b"k" * 32).decode()


def seal(study, trainer, predictor=None):
    parts = [_digest(part).decode() for part in (trainer, predictor)]
    return ".".join(["v1", *parts, _mac(b"k" * 32, study, *parts).decode()])
