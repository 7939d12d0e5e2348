"""A Temporal worker in Python: worker.py <task queue> <slots>."""

import sys

import clock  # noqa: F401
import everband.worker
from epoch import train

everband.worker.run(train, task_queue=sys.argv[1], slots=int(sys.argv[2]))
