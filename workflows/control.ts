/** What an operator set: handed down from study to rounds and shards by one signal. */
import { defineSignal, getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import { settledOf, signalled } from './parse.js';

export interface Control {
  readonly paused: boolean;
  /** To nobody below the study: why it has paused by itself. */
  readonly cause?: string | undefined;
  readonly stopped: boolean;
  /** Most trials in flight below the workflow that holds it; 0 for a child that has to wait for a place. */
  readonly parallelism: number;
  /**
   * Beside late retries, which get a place only when one has become free: the child answers with this number once no
   * more trials than that are in flight below it; 0: it need not answer. Absent: there are none.
   */
  readonly settle?: number;
  /** To a late retry: which of its wishes to train the place is for. Absent: the study has ended. */
  readonly turn?: number;
}
export const controlSignal = defineSignal<[Control]>('control');

/** A late retry to its study: whether it wants to train, or has ended. */
export interface LateTurn {
  readonly trial: string;
  readonly wants: boolean;
  readonly ended: boolean;
  /** Counts its wishes, so that what is still on its way to it of an earlier one gives it no place. */
  readonly turn: number;
}
export const lateSignal = defineSignal<[LateTurn]>('late');

/** A child to its parent: no more trials are in flight below it than the control with this number said. */
export interface Settled {
  readonly child: string;
  readonly settle: number;
}
const settledSignal = defineSignal<[Settled]>('settled');

/** A child that takes control signals. */
interface Controlled {
  signal(signal: typeof controlSignal, control: Control): Promise<void>;
}

/** A child's part of the places. */
export interface Portion {
  /** Workflow id of the child. */
  readonly of: string;
  /** A late retry: it takes one place, and all of them together at most half of what there is. */
  readonly late: boolean;
  child: Controlled | null;
  places: number;
  /** The most trials that may be in flight below the child: more than its places until it has answered. */
  bound: number;
  /** What the child was told last. */
  told: Control | null;
  turn: number;
}

/** A late retry beside a study. */
export interface LateChild {
  readonly child: Controlled;
  readonly turn: number;
  /** Whether an earlier run of the study has given it its place. */
  readonly placed: boolean;
}

/** The control of a workflow and of the children that share its places. */
export class ControlTree {
  private readonly portions: Portion[] = [];
  private asked = 0;

  constructor(
    public current: Control,
    private readonly onChange: (control: Control) => void = () => undefined,
    /** How many trials are in flight in the workflow itself. */
    private readonly busy: () => number = () => 0
  ) {}

  /** Makes room for a child; {@link balance} gives it its places. */
  open(of: string, late: LateChild | null = null): Portion {
    const places = late?.placed ? 1 : 0;
    const turn = late?.turn ?? 0;
    const portion: Portion = {
      ...{ of, late: late !== null, child: late?.child ?? null, places, bound: places, told: null, turn },
    };
    this.portions.push(portion);
    return portion;
  }

  close(portion: Portion): void {
    const at = this.portions.indexOf(portion);
    if (at !== -1) this.portions.splice(at, 1);
  }

  /** Places that late retries have or wait for: at most half of all, and at least one. */
  get reserved(): number {
    const late = this.portions.filter((portion) => portion.late);
    const having = late.filter(({ places }) => places > 0).length;
    return Math.max(having, Math.min(late.length, Math.max(1, Math.floor(this.current.parallelism / 2))));
  }

  /** The most trials that may be in flight here and below. */
  get bound(): number {
    return this.portions.reduce((sum, { bound }) => sum + bound, this.busy());
  }

  /** Divides the places among the open children, as evenly as whole numbers allow, and tells whoever has others now. */
  balance(): void {
    const others = this.portions.filter((portion) => !portion.late);
    const rest = Math.max(0, this.current.parallelism - this.reserved);
    const shares = others.map((_, i) => Math.floor(rest / others.length) + (i < rest % others.length ? 1 : 0));
    if (this.strict) this.divide(others, shares);
    else {
      for (const [i, portion] of others.entries()) {
        portion.places = shares[i] ?? 0;
        portion.bound = portion.told === null ? portion.places : Math.max(portion.bound, portion.places);
      }
    }
    for (const portion of this.portions) this.tell(portion);
  }

  /** A place that was taken from one is given to another only when it has become free. */
  private divide(others: readonly Portion[], shares: readonly number[]): void {
    for (const [i, portion] of others.entries()) portion.places = Math.min(portion.places, shares[i] ?? 0);
    let free = Math.max(0, this.current.parallelism - this.bound);
    const late = this.portions.filter((portion) => portion.late);
    const waiting = late.filter(({ places }) => places === 0);
    for (const portion of waiting.slice(0, Math.min(free, this.reserved - (late.length - waiting.length)))) {
      portion.places = portion.bound = 1;
      free--;
    }
    for (const [i, portion] of others.entries()) {
      portion.places = Math.max(portion.places, Math.min(shares[i] ?? 0, portion.bound + free));
      free -= Math.max(0, portion.places - portion.bound);
      portion.bound = Math.max(portion.bound, portion.places);
    }
  }

  /** A child has answered. Gives whether places have become free by it. */
  settled({ child, settle }: Settled): boolean {
    const portion = this.portions.find(({ of }) => of === child);
    if (!portion || portion.told?.settle !== settle || portion.bound === portion.places) return false;
    portion.bound = portion.places;
    return true;
  }

  /** Starts the child of a portion, keeps it informed and waits for its result. */
  async run<T>(
    portion: Portion,
    start: (control: Control) => Promise<Controlled & { result(): Promise<T> }>
  ): Promise<T> {
    try {
      portion.told = this.controlOf(portion);
      const child = await start(portion.told);
      portion.child = child;
      this.tell(portion);
      return await child.result();
    } finally {
      this.close(portion);
    }
  }

  set(control: Control): void {
    this.current = control;
    this.onChange(control);
    this.balance();
  }

  private get strict(): boolean {
    return this.current.settle !== undefined || this.portions.some(({ late }) => late);
  }

  private controlOf({ places, bound, late, turn, told }: Portion): Control {
    const { paused, stopped } = this.current;
    const control = { paused, stopped, parallelism: places };
    if (late) return { ...control, turn };
    if (!this.strict) return control;
    if (bound === places) return { ...control, settle: 0 };
    return { ...control, settle: told?.parallelism === places && told.settle ? told.settle : ++this.asked };
  }

  private tell(portion: Portion): void {
    const { child, told } = portion;
    if (!child) return;
    const control = this.controlOf(portion);
    if (told && same(told, control)) return;
    portion.told = control;
    // A child that has closed meanwhile has nothing left to control.
    child.signal(controlSignal, control).catch(() => undefined);
  }
}

/** Whether a child that was told `before` need not be told `now`. */
function same(before: Control, now: Control): boolean {
  const asks = now.settle !== undefined && (now.settle > 0 || before.settle === undefined);
  return (
    before.paused === now.paused &&
    before.stopped === now.stopped &&
    before.parallelism === now.parallelism &&
    before.turn === now.turn &&
    (!asks || before.settle === now.settle)
  );
}

/** Answers the parent of a workflow once no more trials are in flight below it than it has places. */
export class Settling {
  private answered: number | null = null;

  constructor(
    private control: Control,
    private readonly bound: () => number,
    private readonly answer: (settle: number) => void = answerParent
  ) {}

  take(control: Control): void {
    this.control = control;
    this.look();
  }

  /** To be called whenever fewer trials may be in flight. */
  look(): void {
    const { settle, parallelism } = this.control;
    if (!settle || settle === this.answered || this.bound() > parallelism) return;
    this.answered = settle;
    this.answer(settle);
  }
}

function answerParent(settle: number): void {
  const { parent, workflowId } = workflowInfo();
  if (!parent) return;
  // A parent that has closed meanwhile has no places left to give.
  getExternalWorkflowHandle(parent.workflowId)
    .signal(settledSignal, { child: workflowId, settle })
    .catch(() => undefined);
}

/** Takes the answers of a workflow's children. */
export function handleSettled(take: (settled: Settled) => void): void {
  setHandler(settledSignal, signalled('settled', settledOf, take));
}
