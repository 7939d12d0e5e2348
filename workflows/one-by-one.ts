/**
 * Runs local activities one after the other. Two at once may come back in two activations where they ran and in one
 * where their history is replayed; the commands of the one with the longer chain of promises then trade places with
 * the other's, and the workflow never gets past its first task after a worker was lost.
 */
export class OneByOne {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(activity: () => Promise<T>): Promise<T> {
    const answer = this.last.then(activity);
    this.last = answer.catch(() => undefined);
    return answer;
  }
}
