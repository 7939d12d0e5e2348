"""The task that every library of bench/faults tunes: an epoch takes 50 ms, its loss depends on configuration and epoch alone.

A trial's state is a file, replaced whole after every epoch. Every epoch that was trained to its end is a line of a journal, so
that what was trained again can be counted, whatever the library thinks of it.
"""

import json
import os
import time
from pathlib import Path

SECONDS = 0.05


def loss_of(lr, momentum, epoch):
    return 0.05 + lr * lr + momentum / (epoch + 1) ** (0.5 + lr)


def load(file):
    """Epochs and losses that a checkpoint holds: none where there is no file. A damaged one is an error."""
    try:
        text = Path(file).read_text()
    except FileNotFoundError:
        return 0, []
    state = json.loads(text)
    return state["epoch"], state["losses"]


def save(file, epoch, losses):
    new = Path(f"{file}.new")
    new.write_text(json.dumps({"epoch": epoch, "losses": losses}))
    os.replace(new, file)


def train_epoch(journal, lr, momentum, epoch, seconds=SECONDS):
    time.sleep(seconds)
    loss = loss_of(lr, momentum, epoch)
    trial = f"{lr!r} {momentum!r}"
    line = json.dumps({"trial": trial, "epoch": epoch, "loss": loss, "pid": os.getpid(), "at": time.time()}) + "\n"
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    return loss
