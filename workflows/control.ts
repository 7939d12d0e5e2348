/** What an operator set: handed down from study to brackets, rounds and shards by one signal. */
import { defineSignal } from '@temporalio/workflow';

export interface Control {
  readonly paused: boolean;
  readonly stopped: boolean;
  /** Most trials in flight below the workflow that holds it. */
  readonly parallelism: number;
}
export const controlSignal = defineSignal<[Control]>('control');

/** A child that takes control signals. */
interface Controlled {
  signal(signal: typeof controlSignal, control: Control): Promise<void>;
}

/** The control of a workflow and the children that follow it; a share of the parallelism for each. */
export class ControlTree {
  private readonly children = new Map<Controlled, number>();
  private version = 0;

  constructor(
    public current: Control,
    private readonly onChange: (control: Control) => void = () => undefined
  ) {}

  /** The control a child starts with when `share` of the slots are its own. */
  portion(share: number): Control {
    return { ...this.current, parallelism: Math.max(1, Math.floor(this.current.parallelism * share)) };
  }

  /** Starts a child with its share of the control, keeps it informed and waits for its result. */
  async run<T>(share: number, start: (control: Control) => Promise<Controlled & { result(): Promise<T> }>): Promise<T> {
    const version = this.version;
    const child = await start(this.portion(share));
    this.children.set(child, share);
    try {
      if (version !== this.version) await child.signal(controlSignal, this.portion(share));
      return await child.result();
    } finally {
      this.children.delete(child);
    }
  }

  async set(control: Control): Promise<void> {
    this.current = control;
    this.version++;
    this.onChange(control);
    const sent = [...this.children].map(([child, share]) => child.signal(controlSignal, this.portion(share)));
    // A child that closed meanwhile has nothing left to control.
    await Promise.allSettled(sent);
  }
}
