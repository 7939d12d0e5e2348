"""A Ray Tune experiment, run again by Tuner.restore. ray_peer.py run|tell <folder> <journal> <seed> <trials> <R>"""

import json
import logging
import os
import random
import sys
import tempfile
from pathlib import Path

os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import HyperBandScheduler

do, folder, journal, seed, trials, R = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
here, storage = str(Path(__file__).parent), folder / "results"
random.seed(int(seed))
np.random.seed(int(seed))


def train(config):
    sys.path.insert(0, here)
    from task import load, save, train_epoch

    epoch, losses, before = 0, [], tune.get_checkpoint()
    if before:
        with before.as_directory() as found:
            epoch, losses = load(Path(found) / "state.json")
    while epoch < int(R):
        epoch += 1
        losses.append(train_epoch(journal, config["lr"], config["momentum"], epoch))
        with tempfile.TemporaryDirectory() as made:
            save(Path(made) / "state.json", epoch, losses)
            tune.report({"loss": losses[-1], "epoch": epoch}, checkpoint=tune.Checkpoint.from_directory(made))


if do == "tell":
    known = []
    for text, run in json.loads(max(storage.glob("faults/experiment_state-*.json")).read_text())["trial_data"]:
        one, epochs = json.loads(text), (json.loads(run)["last_result"] or {}).get("epoch", 0)
        trial = f"{one['config']['lr']!r} {one['config']['momentum']!r}"
        # It leaves paused what its Hyperband does not go on with.
        ended = one["status"] in ("TERMINATED", "PAUSED")
        known.append({"trial": trial, "epochs": epochs, "state": one["status"], "ended": ended})
    print(json.dumps({"version": ray.__version__, "trials": known}))
    sys.exit()

logging.disable(logging.WARNING)
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
resources = tune.with_resources(train, {"cpu": 1})
if tune.Tuner.can_restore(str(storage / "faults")):
    tuner = tune.Tuner.restore(str(storage / "faults"), resources, resume_unfinished=True, resume_errored=True)
else:
    tuner = tune.Tuner(
        resources,
        param_space={"lr": tune.uniform(0, 1), "momentum": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            scheduler=HyperBandScheduler(time_attr="epoch", max_t=int(R), reduction_factor=3),
            num_samples=int(trials),
        ),
        run_config=tune.RunConfig(
            name="faults",
            storage_path=str(storage),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=-1),
        ),
    )
tuner.fit()
ray.shutdown()
