import assert from 'node:assert/strict';
import { stream } from '../../core/rng.js';
import { ControlTree, Settling, type Control, type Portion } from '../../workflows/control.js';

describe('the places of a study', () => {
  const all = (parallelism: number): Control => ({ paused: false, stopped: false, parallelism });
  /** A child that keeps what it was told. */
  class Child {
    readonly heard: Control[] = [];
    signal(_signal: unknown, control: Control): Promise<void> {
      this.heard.push(control);
      return Promise.resolve();
    }
    get told(): Control | undefined {
      return this.heard.at(-1);
    }
    get places(): number {
      return this.told?.parallelism ?? -1;
    }
  }

  interface Started {
    readonly child: Child;
    readonly portion: Portion;
  }

  /** A child that the tree has started with the places that there are for it. */
  function started(tree: ControlTree, of: string): Started {
    const child = new Child();
    const portion = tree.open(of);
    tree.balance();
    void tree.run(portion, (control) => {
      child.heard.push(control);
      return Promise.resolve(Object.assign(child, { result: () => new Promise<never>(() => undefined) }));
    });
    portion.child = child;
    return { child, portion };
  }

  function late(tree: ControlTree, of: string, turn = 1): { child: Child; portion: Portion } {
    const child = new Child();
    return { child, portion: tree.open(of, { child, turn, placed: false }) };
  }

  const settle = (tree: ControlTree, of: string, { told }: Child) => {
    tree.settled({ child: of, settle: told?.settle ?? -1 });
    tree.balance();
  };

  it('go to late retries one each, at most half of them, and the rest to the rounds', () => {
    const tree = new ControlTree(all(5));
    const rounds = ['r0', 'r1'].map((of) => started(tree, of).child);
    assert.deepEqual(
      rounds.map(({ places }) => places),
      [3, 2]
    );
    const lates = ['a', 'b', 'c', 'd'].map((of) => late(tree, of));
    const places = () => lates.map(({ child }) => child.places);
    tree.balance();
    assert.deepEqual(
      rounds.map((round) => round.places),
      [2, 1]
    );
    for (const [i, round] of rounds.entries()) settle(tree, `r${i}`, round);
    assert.deepEqual(places(), [1, 1, 0, 0]);
    // Who trains keeps its place; the next one gets the one that is given back.
    tree.close(lates[0]?.portion as Portion);
    tree.balance();
    assert.deepEqual(places(), [1, 1, 1, 0]);
    tree.set({ ...all(1), paused: true });
    assert.deepEqual(lates[1]?.child.told, { ...all(1), paused: true, turn: 1 });
    for (const { portion } of lates) tree.close(portion);
    tree.set(all(5));
    assert.deepEqual(
      rounds.map((round) => round.places),
      [3, 2]
    );
    assert.deepEqual(rounds[0]?.told, all(3), 'without late retries a round is asked nothing');
  });

  it('are a late retry’s only once a round that has lost one has answered', () => {
    const tree = new ControlTree(all(4));
    const [first, second] = ['r0', 'r1'].map((of) => started(tree, of).child) as [Child, Child];
    const { child } = late(tree, 'a');
    tree.balance();
    assert.deepEqual([first.places, second.places, child.places], [2, 1, 0]);
    const asked = second.told?.settle ?? 0;
    assert.ok(asked > 0);
    tree.settled({ child: 'r1', settle: asked - 1 });
    tree.balance();
    assert.equal(child.places, 0, 'an answer to something else');
    settle(tree, 'r1', second);
    // The first one once had all four places and has not said that it has no more than two.
    assert.equal(child.places, 0);
    settle(tree, 'r0', first);
    assert.equal(child.places, 1);
  });

  it('are raised only by what has become free', () => {
    const tree = new ControlTree(all(4));
    const { child: round } = started(tree, 'r0');
    const [one, two] = [late(tree, 'a'), late(tree, 'b')];
    tree.balance();
    settle(tree, 'r0', round);
    assert.deepEqual([round.places, one.child.places, two.child.places], [2, 1, 1]);
    // Lowered below what trains, and raised again: nothing is given twice.
    tree.set(all(2));
    assert.deepEqual([round.places, one.child.places, two.child.places], [0, 1, 1]);
    tree.set(all(4));
    assert.equal(tree.bound, 4);
    tree.close(one.portion);
    tree.balance();
    assert.equal(round.places, 3);
    // Another round begins with none of the three until one has come to its rung.
    const { child: next } = started(tree, 'r1');
    assert.deepEqual([round.places, next.places], [2, 0]);
    settle(tree, 'r0', round);
    assert.deepEqual([round.places, next.places], [2, 1]);
    assert.ok(tree.bound <= 4);
  });

  it('are free for a late retry only where fewer train, where trials train one by one', () => {
    let busy = 4;
    const tree = new ControlTree(all(4), undefined, () => busy);
    const { child } = late(tree, 'a');
    tree.balance();
    assert.equal(child.places, 0);
    assert.equal(tree.reserved, 1, 'nobody else gets it');
    busy = 3;
    tree.balance();
    assert.equal(child.places, 1);
    busy = 4;
    tree.balance();
    assert.equal(child.places, 1, 'it keeps it');
  });

  it('are all those of the child that is left, whoever of the others closes first', () => {
    for (const left of [0, 1, 2]) {
      const tree = new ControlTree(all(7));
      const children = ['b2', 'b1', 'b0'].map((of) => started(tree, of));
      assert.deepEqual(
        children.map(({ child }) => child.places),
        [3, 2, 2]
      );
      for (const [i, { portion }] of children.entries()) {
        if (i === left) continue;
        tree.close(portion);
        tree.balance();
      }
      assert.deepEqual(children[left]?.child.told, all(7));
    }
  });

  it('are told to the others when a child has closed meanwhile and takes no signal, and nothing fails by it', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    const before = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
    try {
      const tree = new ControlTree(all(4));
      const [gone, other] = ['r0', 'r1'].map((of) => started(tree, of)) as [Started, Started];
      gone.portion.child = { signal: () => Promise.reject(new Error('it has closed')) };
      tree.set({ ...all(2), paused: true });
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(other.child.told, { ...all(1), paused: true });
      assert.deepEqual(unhandled, []);
    } finally {
      process.removeListener('unhandledRejection', note);
      for (const listener of before) process.on('unhandledRejection', listener);
    }
  });

  it('stay a late retry’s over the runs of a study, and are told anew when it asks anew', () => {
    const tree = new ControlTree(all(2));
    const child = new Child();
    const portion = tree.open('b', { child, turn: 3, placed: true });
    const other = late(tree, 'a');
    tree.balance();
    assert.deepEqual([child.told, other.child.places], [{ ...all(1), turn: 3 }, 0]);
    portion.turn = 4;
    tree.balance();
    assert.deepEqual(child.told, { ...all(1), turn: 4 });
  });
});

describe('a study of rounds with shards, beside late retries', () => {
  type Random = ReturnType<typeof stream>;
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  /** Messages in order between two workflows, and between others in any order. */
  class Post {
    private readonly links = new Map<string, (() => void)[]>();
    send(link: string, message: () => void): void {
      this.links.set(link, [...(this.links.get(link) ?? []), message]);
    }
    deliver(random: Random): void {
      const waiting = [...this.links.values()].filter((messages) => messages.length > 0);
      if (waiting.length > 0) waiting[random.below(waiting.length)]?.shift()?.();
    }
  }

  /** Trials that come to their rung one after the other, as the pool of a shard lets them. */
  class Shard {
    taken = 0;
    end: () => void = () => undefined;
    private readonly settling: Settling;
    constructor(
      private waiting: number,
      private control: Control,
      answer: (settle: number) => void
    ) {
      this.settling = new Settling(control, () => this.taken, answer);
      this.admit();
    }
    take(control: Control): void {
      this.control = control;
      this.admit();
      this.settling.take(control);
    }
    finish(): void {
      if (this.taken === 0) return;
      this.taken--;
      this.admit();
      this.settling.look();
      if (this.taken + this.waiting === 0) this.end();
    }
    private admit(): void {
      for (; this.waiting > 0 && this.taken < this.control.parallelism; this.waiting--) this.taken++;
    }
  }

  class World {
    readonly post = new Post();
    readonly shards = new Set<Shard>();
    readonly tree: ControlTree;
    trained = 0;
    late = 0;
    private names = 0;

    constructor(
      private readonly random: Random,
      readonly parallelism: number,
      lates: number
    ) {
      this.tree = new ControlTree({ paused: false, stopped: false, parallelism });
      for (let i = 0; i < lates; i++) this.wish();
      for (let i = 0; i < 2; i++) void this.round();
    }

    get busy(): number {
      return [...this.shards].reduce((sum, { taken }) => sum + taken, this.late);
    }

    /** A late retry that wants to train, and again when it has. */
    private wish(): void {
      const name = `late ${this.names++}`;
      let trains = false;
      const portion = this.tree.open(name, {
        turn: 1,
        placed: false,
        child: {
          signal: (_signal, control) => {
            this.post.send(`to ${name}`, () => {
              if (control.parallelism === 0 || trains) return;
              trains = true;
              this.late++;
              this.trained++;
              this.post.send(`from ${name}`, () => {
                this.late--;
                this.tree.close(portion);
                this.wish();
              });
            });
            return Promise.resolve();
          },
        },
      });
      this.tree.balance();
    }

    private async round(): Promise<void> {
      const name = `round ${this.names++}`;
      const portion = this.tree.open(name);
      this.tree.balance();
      await this.tree.run(portion, async (control) => {
        const tree = new ControlTree(control);
        const settling = new Settling(
          control,
          () => tree.bound,
          (settle) => {
            this.post.send(`from ${name}`, () => {
              if (this.tree.settled({ child: name, settle })) this.tree.balance();
            });
          }
        );
        const lane = async () => {
          for (let i = 0; i < 2; i++) await this.shard(tree, settling);
        };
        const result = Promise.all([lane(), lane()]);
        const signal = (_signal: unknown, next: Control) => {
          this.post.send(`to ${name}`, () => {
            tree.set(next);
            settling.take(next);
          });
          return Promise.resolve();
        };
        await settled();
        return { signal, result: () => result };
      });
      this.tree.balance();
      void this.round();
    }

    private async shard(tree: ControlTree, settling: Settling): Promise<void> {
      const name = `shard ${this.names++}`;
      const portion = tree.open(name);
      tree.balance();
      await tree.run(portion, (control) => {
        const shard = new Shard(1 + this.random.below(6), control, (settle) => {
          this.post.send(`from ${name}`, () => {
            if (tree.settled({ child: name, settle })) tree.balance();
            settling.look();
          });
        });
        this.shards.add(shard);
        const ended = new Promise<void>((resolve) => (shard.end = () => this.post.send(`from ${name}`, resolve)));
        const signal = (_signal: unknown, next: Control) => {
          this.post.send(`to ${name}`, () => shard.take(next));
          return Promise.resolve();
        };
        return Promise.resolve({ signal, result: () => ended.then(() => void this.shards.delete(shard)) });
      });
      tree.balance();
      settling.look();
    }
  }

  it('never has more in flight than it may, in whatever order messages come, and everybody gets on', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = stream(seed, 'places');
      const world = new World(random, 1 + random.below(8), 1 + random.below(4));
      let most = 0;
      let came = 0;
      for (let step = 0; step < 400; step++) {
        const running = [...world.shards].filter(({ taken }) => taken > 0);
        if (running.length > 0 && random.below(3) === 0) {
          running[random.below(running.length)]?.finish();
          came++;
        } else world.post.deliver(random);
        if (step % 2 === 0) await settled();
        most = Math.max(most, world.busy);
        assert.ok(world.busy <= world.parallelism, `seed ${seed}, step ${step}: ${world.busy}`);
      }
      assert.equal(most, world.parallelism, `seed ${seed}: no place stays empty for ever`);
      assert.ok(world.trained > 2, `seed ${seed}: late retries trained ${world.trained} times`);
      if (world.parallelism > 1) assert.ok(came > 10, `seed ${seed}: ${came} trials of rounds came to their rung`);
    }
  });
});
