"""Everband's trainer of the task, as its documentation has it: trainer.py <journal> [seconds of an epoch]."""

import sys

import everband
from task import load, save, train_epoch

journal, *seconds = sys.argv[1:]

for request in everband.requests():
    _, losses = load(request.checkpoint) if request.checkpoint else (0, [])
    for epoch in request.epochs():
        losses.append(train_epoch(journal, request.config["lr"], request.config["momentum"], epoch, *map(float, seconds)))
        request.report(loss=losses[-1], checkpoint=lambda path: save(path, epoch, losses))
