"""The contract that workers in both languages keep: test/trainers/checkpoint-scenarios.test.ts runs the same scenarios."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from everband.attempts import attempt_name, checkpoint_folder, config_hash_of, study_folder
from everband.checkpoints import Claim, Scope, TooManyLosses, read_known, tries_alone
from everband.held import CheckpointError, Place, hold_checkpoint
from everband.identity import Fenced, enter_study

FIXTURE = Path(__file__).parents[2] / "test" / "fixtures" / "checkpoints" / "scenarios.json"
SCENARIOS = json.loads(FIXTURE.read_text(encoding="utf-8"))["scenarios"]
FAILURES = {"Fenced": Fenced, "TooManyLosses": TooManyLosses, "Checkpoint": CheckpointError}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_the_contract_of_checkpoints(scenario: Any, tmp_path: Path) -> None:
    claims: dict[str, Claim] = {}
    for step in scenario["steps"]:
        if "fails" in step:
            with pytest.raises(FAILURES[step["fails"]]):
                take(step, tmp_path, claims)
        else:
            take(step, tmp_path, claims)


def scope_of(step: Any, state_dir: Path) -> Scope:
    trial = {"id": step.get("trial", "t"), "config": step.get("config", {"lr": 1}), "seed": 1}
    return Scope.of(state_dir, {**step, "study": "s", "trial": trial, "metric": "loss", "from": step.get("from", 0)})


def known_of(known: Any) -> Any:
    return {"base": known.base, **known.curve(known.base), "nonFinite": known.non_finite}


def take(step: Any, state_dir: Path, claims: dict[str, Claim]) -> None:
    folder, root = study_folder(state_dir, "s"), checkpoint_folder(state_dir, "s", "t")
    if "enter" in step:
        enter_study(folder, step["enter"], step["at"])
    elif "claim" in step:
        claim = claims[step["claim"]] = Claim(scope_of(step, state_dir), step.get("maxLosses", 10), step.get("alone", True))
        if "is" in step:
            path = claim.checkpoint and claim.checkpoint.relative_to(root).as_posix()
            start = {"epoch": claim.start, "path": path} if path else None
            assert claim.folder.name == attempt_name(claim.number, step["identity"])
            assert {"folder": claim.folder.name, "start": start, **known_of(claim.known)} == step["is"]
    elif "share" in step:
        claims[step["share"]].share()
    elif "triesAlone" in step:
        assert tries_alone(scope_of(step, state_dir)) == step["triesAlone"]
    elif "epoch" in step:
        claim = claims[step["of"]]
        if step["checkpoint"] is not None and step.get("written", True):
            (claim.files / step["checkpoint"]).write_text(step.get("text", "state"))
        claim.record(step["epoch"], step["value"], step["checkpoint"], 1, {}, step.get("metrics", {}))
    elif "diverge" in step:
        claims[step["of"]].record_divergence(step["diverge"], 1, {})
    elif "release" in step:
        claims[step["release"]].release()
    elif "fenced" in step:
        assert bool(claims[step["fenced"]].fenced) == step["is"]
    elif "known" in step:
        assert known_of(read_known(scope_of(step, state_dir))) == step["known"]
    elif "hold" in step:
        hold_checkpoint(Place(state_dir, "s", step["identity"]), step["hold"], step["at"])
    elif "remove" in step:
        shutil.rmtree(checkpoint_folder(state_dir, "s", step["remove"]))
    elif "delete" in step:
        shutil.rmtree(folder)
    elif "corrupt" in step:
        (folder / step["corrupt"]).write_text("STATE")
    elif "write" in step:
        (folder / step["write"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / step["write"]).write_text(step["content"], encoding="utf-8")
    elif "link" in step:
        place = folder / step["link"]
        if place.exists():
            shutil.rmtree(place)
        place.symlink_to(step["to"])
    elif "text" in step:
        assert (folder / step["text"]).read_text() == step["is"]
    elif "hash" in step:
        assert config_hash_of(step["config"], 1, "loss", step.get("metrics", ())) == step["hash"]
    elif "attempts" in step:
        assert sorted(each.name for each in root.iterdir()) == step["attempts"]
    else:
        files = [each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()]
        assert sorted(files) == step["tree"]
