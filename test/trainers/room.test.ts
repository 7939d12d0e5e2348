import assert from 'node:assert/strict';
import { Room, type Stay } from '../../trainers/room.js';

describe('the room of a worker', () => {
  const never = new AbortController().signal;
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  /** Asks to come in; `stay` is there once it has. */
  function ask(
    room: Room,
    trial: string,
    exclusive: boolean,
    signal = never
  ): { stay: Stay | null; asked: Promise<unknown> } {
    const guest: { stay: Stay | null; asked: Promise<unknown> } = { stay: null, asked: Promise.resolve() };
    guest.asked = room.enter(trial, exclusive, signal).then((stay) => (guest.stay = stay));
    return guest;
  }

  it('holds many, and each is told before the next one begins that it is no longer alone', async () => {
    const room = new Room();
    const a = await room.enter('a', false, never);
    assert.ok(a?.alone);
    const notes: string[] = [];
    await a.onShared(async () => {
      await turn();
      notes.push('a');
    });
    const b = await room.enter('b', false, never);
    assert.deepEqual(notes, ['a']);
    assert.deepEqual([a.alone, b?.alone], [false, false]);
    // One that asks to be told afterwards is told at once.
    await b?.onShared(() => Promise.resolve(void notes.push('b')));
    a.leave();
    const c = await room.enter('c', false, never);
    assert.deepEqual(notes, ['a', 'b']);
    b?.leave();
    c?.leave();
    assert.ok((await room.enter('d', false, never))?.alone);
  });

  it('lets nobody in beside one that is tried alone, until it has an epoch', async () => {
    const room = new Room();
    const a = ask(room, 'a', false);
    await turn();
    const e = ask(room, 'e', true);
    const b = ask(room, 'b', false);
    await turn();
    // It waits until the room is empty, and who came later does not overtake it.
    assert.deepEqual([e.stay, b.stay], [null, null]);
    a.stay?.leave();
    await turn();
    assert.ok(e.stay?.alone);
    assert.equal(b.stay, null);
    e.stay.admitOthers();
    await turn();
    assert.ok(b.stay);
    assert.equal(e.stay.alone, false);
  });

  it('takes two that are to be tried alone one after the other, and those between them in turn', async () => {
    const room = new Room();
    const order: string[] = [];
    const guests = ['e', 'a', 'f', 'b'].map((trial) => {
      const exclusive = trial === 'e' || trial === 'f';
      return room.enter(trial, exclusive, never).then(async (stay) => {
        order.push(trial);
        await turn();
        stay?.leave();
      });
    });
    await Promise.all(guests);
    assert.deepEqual(order, ['e', 'a', 'f', 'b']);
  });

  it('forgets who stops waiting, and lets in who waited behind', async () => {
    const room = new Room();
    const a = ask(room, 'a', false);
    const stop = new AbortController();
    const e = ask(room, 'e', true, stop.signal);
    const b = ask(room, 'b', false);
    await turn();
    assert.equal(b.stay, null);
    stop.abort();
    await Promise.all([e.asked, b.asked]);
    assert.equal(e.stay, null);
    assert.ok(a.stay && b.stay);
    assert.equal(await room.enter('c', false, stop.signal), null);
  });

  it('does not count an earlier attempt at the same trial as somebody else', async () => {
    const room = new Room();
    const old = await room.enter('a', false, never);
    const again = await room.enter('a', true, never);
    assert.ok(old?.alone && again?.alone);
  });
});
