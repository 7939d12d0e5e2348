"""Which study a folder belongs to: `<state>/studies/<study>/identity.json` (trainers/identity.ts)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from .files import read_json, write_whole

#: `{"id": ..., "incarnation": ...}`.
Identity = Mapping[str, Any]


class Fenced(Exception):
    """This attempt must not go on: a newer one trains the trial, or the study is another one by now."""


def enter_study(folder: Path, identity: Identity, since: float) -> None:
    """Takes the folder for this study. Of two ids, the one that the server spoke of later has it: what a deleted study
    asked for was scheduled before a new one of its name began.

    Raises Fenced for an id that was replaced, and for an incarnation that was recovered from.
    """
    owner = read_json(folder / "identity.json")
    if owner and _is_superseded(owner, identity):
        if owner["id"] == identity["id"] or since <= owner["since"]:
            raise _superseded(owner, identity)
    elif owner and owner["incarnation"] == identity["incarnation"]:
        return
    folder.mkdir(parents=True, exist_ok=True)
    ownership = {"id": identity["id"], "incarnation": identity["incarnation"], "since": since}
    write_whole(folder / "identity.json", json.dumps(ownership, ensure_ascii=False))


def require_current(folder: Path, identity: Identity) -> None:
    """Raises Fenced when the folder belongs to another study or to a later incarnation."""
    owner = read_json(folder / "identity.json")
    if owner and _is_superseded(owner, identity):
        raise _superseded(owner, identity)


def _is_superseded(owner: Identity, identity: Identity) -> bool:
    return bool(owner["id"] != identity["id"] or owner["incarnation"] > identity["incarnation"])


def _superseded(owner: Identity, identity: Identity) -> Fenced:
    return Fenced(
        f"the study of this name is {_describe(owner)} by now; this attempt belongs to {_describe(identity)} "
        "and must not go on"
    )


def _describe(identity: Identity) -> str:
    return f"{identity['id']} (incarnation {identity['incarnation']})"
