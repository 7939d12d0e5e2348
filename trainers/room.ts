/**
 * Who trains in a worker process. Trials train beside each other; one that has taken its worker along with others is tried
 * alone, so that its neighbours do not pay for it. First come, first served: neither waits for ever.
 */

/** A trial's stay in the room. */
export class Stay {
  private sharedYet = false;
  private open: boolean;
  private noted: (() => Promise<void>) | null = null;

  constructor(
    /** The trial. */
    readonly of: string,
    exclusive: boolean,
    private readonly room: Room
  ) {
    this.open = !exclusive;
  }

  /** Whether no other trial has trained beside it. */
  get alone(): boolean {
    return !this.sharedYet;
  }

  /** Whether others may come in. */
  get admitsOthers(): boolean {
    return this.open;
  }

  /** It has a new epoch: others may train beside it again. */
  admitOthers(): void {
    if (this.open) return;
    this.open = true;
    this.room.look();
  }

  /** `note` is called once it is no longer alone, at once where it is not; whoever comes in waits for that. */
  async onShared(note: () => Promise<void>): Promise<void> {
    this.noted = note;
    if (this.sharedYet) await note();
  }

  /** Another trial trains beside it. */
  async share(): Promise<void> {
    if (this.sharedYet) return;
    this.sharedYet = true;
    await this.noted?.();
  }

  leave(): void {
    this.room.leave(this);
  }
}

export class Room {
  private readonly inside = new Set<Stay>();
  private readonly waiting: { readonly stay: Stay; readonly enter: () => void }[] = [];

  /** Comes in once it may: `exclusive`, once nobody else is there. Null when `signal` aborts before. */
  async enter(trial: string, exclusive: boolean, signal: AbortSignal): Promise<Stay | null> {
    const stay = new Stay(trial, exclusive, this);
    if (signal.aborted) return null;
    const entered = await new Promise<boolean>((resolve) => {
      const onAbort = (): void => {
        const place = this.waiting.findIndex((one) => one.stay === stay);
        if (place >= 0) this.waiting.splice(place, 1);
        resolve(false);
        this.look();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const enter = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.inside.add(stay);
        resolve(true);
      };
      this.waiting.push({ stay, enter });
      this.look();
    });
    if (!entered) return null;
    const others = this.othersThan(stay);
    if (others.length > 0) await Promise.all([stay, ...others].map((one) => one.share()));
    return stay;
  }

  leave(stay: Stay): void {
    this.inside.delete(stay);
    this.look();
  }

  /** Lets in whoever may come in, in the order of asking. */
  look(): void {
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      const others = this.othersThan(next.stay);
      const may = next.stay.admitsOthers ? others.every((other) => other.admitsOthers) : others.length === 0;
      if (!may) return;
      this.waiting.shift();
      next.enter();
    }
  }

  /** An earlier attempt at the same trial, which is about to be told that it counts no more, is nobody else. */
  private othersThan(stay: Stay): Stay[] {
    return [...this.inside].filter((other) => other.of !== stay.of);
  }
}
