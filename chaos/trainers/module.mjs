// A trainer as a module.
import { nextEpoch, stateOf } from './epoch.mjs';

export async function train(context) {
  let state = stateOf(context.checkpoint, context.from);
  while (state.epoch < context.to) {
    const { state: next, value, name } = await nextEpoch(state, context);
    state = next;
    await context.report({ loss: value }, name);
  }
}
