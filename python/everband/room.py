"""Who trains in a worker process (trainers/room.ts). Trials train beside each other; one that has taken its worker along
with others is tried alone, so that its neighbours do not pay for it. First come, first served: neither waits for ever."""

from __future__ import annotations

import threading
from typing import Callable, Optional


class Stay:
    """A trial's stay in the room."""

    def __init__(self, room: Room, of: str, exclusive: bool) -> None:
        self.of = of
        #: Whether others may come in.
        self.open = not exclusive
        #: Whether no other trial has trained beside it.
        self.alone = True
        self._room = room
        self._note: Optional[Callable[[], None]] = None
        self._lock = threading.Lock()

    def admit_others(self) -> None:
        """It has a new epoch: others may train beside it again."""
        if not self.open:
            with self._room.changed:
                self.open = True
                self._room.changed.notify_all()

    def on_shared(self, note: Callable[[], None]) -> None:
        """`note` is called once it is no longer alone, at once where it is not; whoever comes in waits for that."""
        with self._lock:
            self._note = note
            if not self.alone:
                note()

    def share(self) -> None:
        """Another trial trains beside it."""
        with self._lock:
            if self.alone:
                self.alone = False
                if self._note:
                    self._note()

    def leave(self) -> None:
        with self._room.changed:
            self._room.inside.discard(self)
            self._room.changed.notify_all()


class Room:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside: set[Stay] = set()
        self._waiting: list[Stay] = []

    def enter(self, trial: str, exclusive: bool, stopped: Callable[[], bool]) -> Optional[Stay]:
        """Comes in once it may: `exclusive`, once nobody else is there. None when `stopped` says so before."""
        stay = Stay(self, trial, exclusive)
        with self.changed:
            self._waiting.append(stay)
            try:
                while not (self._waiting[0] is stay and self._may(stay)):
                    if stopped():
                        return None
                    # What stops a trial wakes nobody.
                    self.changed.wait(0.2)
                self.inside.add(stay)
                others = self._others(stay)
            finally:
                self._waiting.remove(stay)
                self.changed.notify_all()
        if others:
            for one in [stay, *others]:
                one.share()
        return stay

    def _may(self, stay: Stay) -> bool:
        others = self._others(stay)
        return all(other.open for other in others) if stay.open else not others

    def _others(self, stay: Stay) -> list[Stay]:
        """An earlier attempt at the same trial, which is about to be told that it counts no more, is nobody else."""
        return [other for other in self.inside if other.of != stay.of]
