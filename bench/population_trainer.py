"""Everband's trainer of bench/population-based.ts: population_trainer.py <task>."""

import sys

import everband
import numpy as np

from population_task import tasks

task = tasks[sys.argv[1]]()
for request in everband.requests():
    state = dict(np.load(request.checkpoint)) if request.checkpoint else task.start(request.seed)
    for epoch in request.epochs():
        state, value = task.epoch(state, request.config)
        name = request.checkpoint_dir / f"epoch-{epoch}.npz"
        np.savez(name, **state)
        request.report(value=value, checkpoint=name)
