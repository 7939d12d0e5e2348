"""One of two processes of a NePS run, whose state is its folder. neps_peer.py run|tell <folder> <journal> <seed> <trials> <R>"""

import json
import logging
import os
import random
import sys
from importlib.metadata import version
from pathlib import Path

import neps
import numpy
import torch
import yaml
from task import load, save, train_epoch

do, folder, journal, seed, evaluations, R = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
# Two processes of one seed draw the same configurations, and so does one that is started again.
for seeded in (random.seed, numpy.random.seed, torch.manual_seed):
    seeded(int(seed) * 1_000_003 + os.getpid())


class Space(neps.PipelineSpace):
    lr = neps.Float(0, 1)
    momentum = neps.Float(0, 1)
    epochs = neps.IntegerFidelity(1, int(R))


def evaluate(pipeline_directory, previous_pipeline_directory, lr, momentum, epochs):
    own = Path(pipeline_directory) / "state.json"
    done, losses = load(own)
    if done == 0 and previous_pipeline_directory is not None:
        done, losses = load(Path(previous_pipeline_directory) / "state.json")
    for epoch in range(done + 1, epochs + 1):
        losses.append(train_epoch(journal, lr, momentum, epoch))
        save(own, epoch, losses)
    return losses[-1]


if do == "run":
    logging.disable(logging.WARNING)
    neps.run(
        evaluate,
        Space(),
        root_directory=folder / "run",
        optimizer=("hyperband", {"eta": 3}),
        total_evaluations_to_spend=int(evaluations),
    )
else:
    known = []
    for found in sorted((folder / "run" / "configs").iterdir()):
        if not found.is_dir():
            continue
        config = yaml.safe_load((found / "config.yaml").read_text())
        values = [next(value for name, value in config.items() if key in name) for key in ("lr", "momentum", "epochs")]
        state = json.loads((found / "metadata.json").read_text())["state"]
        known.append(
            {"trial": f"{values[0]!r} {values[1]!r}", "epochs": values[2], "state": state, "ended": state == "success"}
        )
    print(json.dumps({"version": version("neural-pipeline-search"), "trials": known}))
