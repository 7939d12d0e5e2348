import threading
import time
from typing import Callable, Optional

from everband.room import Room, Stay

from waiting import until


def never() -> bool:
    return False


class Guest:
    """Asks to come in, from a thread of its own."""

    def __init__(self, room: Room, trial: str, exclusive: bool, stopped: Callable[[], bool] = never) -> None:
        self.stay: Optional[Stay] = None
        self.over = False

        def ask() -> None:
            self.stay = room.enter(trial, exclusive, stopped)
            self.over = True

        threading.Thread(target=ask, daemon=True).start()
        until(lambda: self.over or any(one.of == trial for one in room._waiting))


def test_each_is_told_before_the_next_one_begins_that_it_is_no_longer_alone() -> None:
    room = Room()
    a = room.enter("a", False, never)
    assert a and a.alone
    notes: list[str] = []
    a.on_shared(lambda: notes.append("a"))
    b = room.enter("b", False, never)
    assert b and notes == ["a"] and not a.alone and not b.alone
    b.on_shared(lambda: notes.append("b"))
    a.leave()
    c = room.enter("c", False, never)
    assert c and notes == ["a", "b"]
    b.leave()
    c.leave()
    d = room.enter("d", False, never)
    assert d and d.alone


def test_nobody_comes_in_beside_one_that_is_tried_alone_until_it_has_an_epoch() -> None:
    room = Room()
    a = room.enter("a", False, never)
    e = Guest(room, "e", True)
    b = Guest(room, "b", False)
    time.sleep(0.3)
    assert a and not e.over and not b.over
    a.leave()
    until(lambda: e.over)
    time.sleep(0.3)
    assert e.stay and e.stay.alone and not b.over
    e.stay.admit_others()
    until(lambda: b.over)
    assert b.stay and not e.stay.alone


def test_two_that_are_to_be_tried_alone_come_one_after_the_other() -> None:
    room = Room()
    first = room.enter("a", False, never)
    guests = [Guest(room, trial, trial in "ef") for trial in "ebf"]
    assert first and not any(guest.over for guest in guests)
    first.leave()
    for guest in guests:
        until(lambda: guest.over)
        assert [other.over for other in guests[guests.index(guest) + 1 :]].count(True) == 0
        assert guest.stay
        guest.stay.leave()


def test_who_stops_waiting_lets_those_behind_in() -> None:
    room = Room()
    a = room.enter("a", False, never)
    stop = threading.Event()
    e = Guest(room, "e", True, stop.is_set)
    b = Guest(room, "b", False)
    assert a and not b.over
    stop.set()
    until(lambda: e.over and b.over)
    assert e.stay is None and b.stay


def test_an_earlier_attempt_at_the_same_trial_is_nobody_else() -> None:
    room = Room()
    old, again = room.enter("a", False, never), room.enter("a", True, never)
    assert old and again and old.alone and again.alone
