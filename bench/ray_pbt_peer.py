"""Ray Tune's population-based training on the tasks of bench/population-based.ts: ray_pbt_peer.py <settings.json>.

Prints one line of JSON: seconds from the first trial to the last, the best final value, epochs trained, exploits, version.
"""

import json
import logging
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_DEDUP_LOGS"] = "0"
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from ray.tune.search.basic_variant import BasicVariantGenerator

settings = json.loads(Path(sys.argv[1]).read_text())
sys.path.insert(0, str(Path(__file__).parent))
bounds, last, interval = settings["bounds"], settings["R"], settings["interval"]
random.seed(settings["seed"])
np.random.seed(settings["seed"])


def train(config):
    sys.path.insert(0, settings["folder"])
    from population_task import tasks

    task = tasks[settings["task"]]()
    state, epoch = task.start(config["seed"]), 0
    before = tune.get_checkpoint()
    if before:
        with before.as_directory() as folder:
            state = dict(np.load(Path(folder) / "state.npz"))
            epoch = int(state.pop("_epoch"))
    while epoch < last:
        state, value = task.epoch(state, config)
        epoch += 1
        if epoch % interval and epoch < last:
            tune.report({"value": value, "epoch": epoch})
            continue
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "state.npz", _epoch=np.array(epoch), **state)
            tune.report({"value": value, "epoch": epoch}, checkpoint=tune.Checkpoint.from_directory(folder))


def draw(low, high, log):
    return float(np.exp(np.random.uniform(np.log(low), np.log(high))) if log else np.random.uniform(low, high))


def clipped(config):
    return {**config, **{name: min(max(config[name], low), high) for name, (low, high, _) in bounds.items()}}


class Counter(tune.Callback):
    """Counts what was trained, whatever became of it."""

    epochs = 0

    def on_trial_result(self, iteration, trials, trial, result, **info):
        Counter.epochs += 1


logging.disable(logging.WARNING)
ray.init(num_cpus=settings["atOnce"], include_dashboard=False, log_to_driver=False, logging_level="ERROR")
scheduler = PopulationBasedTraining(
    time_attr="epoch",
    metric="value",
    mode=settings["mode"],
    perturbation_interval=interval,
    hyperparam_mutations={name: (lambda one=one: draw(*one)) for name, one in bounds.items()},
    quantile_fraction=settings["quantile"],
    resample_probability=settings["resampleProbability"],
    custom_explore_fn=clipped,
    synch=settings["synch"],
)
since = time.perf_counter()
results = tune.Tuner(
    tune.with_resources(train, {"cpu": 1}),
    param_space={name: None for name in settings["configs"][0]},
    tune_config=tune.TuneConfig(
        scheduler=scheduler,
        search_alg=BasicVariantGenerator(points_to_evaluate=settings["configs"]),
        num_samples=len(settings["configs"]),
        reuse_actors=True,
    ),
    run_config=tune.RunConfig(storage_path=settings["storage"], verbose=0, callbacks=[Counter()]),
).fit()
seconds = time.perf_counter() - since
ended = [one.metrics["value"] for one in results if one.metrics and one.metrics["epoch"] == last]
best = (min if settings["mode"] == "min" else max)(ended)
out = {"seconds": seconds, "best": best, "epochs": Counter.epochs, "exploits": scheduler._num_perturbations}
print(json.dumps({**out, "version": ray.__version__}))
ray.shutdown()
