/**
 * A virtual clock: whoever waits does so in simulated seconds, and only one thing happens at a time. Between two events
 * every promise that can settle does, so what an event leads to is under way before the next one is taken.
 */

interface Event {
  readonly at: number;
  /** Events of one moment happen in the order in which they were asked for. */
  readonly sequence: number;
  fire(): void;
}

export class Clock {
  private readonly heap: Event[] = [];
  private time = 0;
  private asked = 0;

  /** Seconds since the start. */
  get now(): number {
    return this.time;
  }

  /** @throws RangeError for a time that is no number or lies in the past */
  after(seconds: number, fire: () => void): void {
    if (!(seconds >= 0)) throw new RangeError(`after ${seconds} seconds: 0 or more`);
    this.push({ at: this.time + seconds, sequence: this.asked++, fire });
  }

  /**
   * Lets time pass until `work` is done.
   *
   * @throws Error when `work` waits for something that no event brings
   */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => void (settled = true);
    work.then(settle, settle);
    for (;;) {
      await quiet();
      if (settled) return work;
      const event = this.pop();
      if (!event) throw new Error('the study waits for something that never happens on the virtual clock');
      this.time = event.at;
      event.fire();
    }
  }

  private push(event: Event): void {
    const { heap } = this;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** Resolves when no promise is left that could settle by itself: a macrotask runs after all microtasks. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
