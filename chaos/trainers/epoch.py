"""The trainer in Python, for a script and for a Temporal worker alike; the losses are those of loss.mjs."""

import json
import math
import os
import time
import zlib
from pathlib import Path


def _seal(state):
    return zlib.crc32(f"{state['epoch']} {state['loss']!r}".encode())


def train(request):
    config = request.config
    state = {"epoch": 0, "loss": 1}
    if request.checkpoint is not None:
        state = json.loads(request.checkpoint.read_text())
        if state.pop("seal") != _seal(state):
            raise ValueError("the checkpoint is damaged")
        if state["epoch"] != request.start:
            raise ValueError(f"checkpoint of epoch {state['epoch']} given for {request.start}")
    for epoch in request.epochs():
        time.sleep(config["ms"] / 1000)
        if config["failing"] != "no" and config["luck"] == 0 and epoch == 2:
            marker = Path(f"{config['journal']}.{request.trial}")
            before = marker.exists()
            marker.touch()
            if config["failing"] == "always" or not before:
                raise ValueError("bad luck")
        loss = state["loss"] * (1 - 0.3 * config["x"]) + ((request.seed % 1000) / 1e6) * (epoch % 7)
        line = {"trial": request.trial, "epoch": epoch, "x": config["x"], "before": state["loss"], "after": loss}
        with open(config["journal"], "a") as journal:
            journal.write(json.dumps({**line, "pid": os.getpid()}) + "\n")
        state = {"epoch": epoch, "loss": loss}
        text = json.dumps({**state, "seal": _seal(state)})
        diverged = config["x"] > config["divergesAbove"] and epoch >= 3
        request.report(loss=math.nan if diverged else loss, checkpoint=lambda path: path.write_text(text))
