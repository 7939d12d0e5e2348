"""A trainer as a Python program."""

import clock  # noqa: F401
import everband
from epoch import train

for request in everband.requests():
    train(request)
