import type { TrainContext } from '../../trainers/contract.js';

export async function train({ config, from, to, report, log }: TrainContext): Promise<void> {
  console.log('{"epoch":99,"loss":0} printed by the module');
  log('from', from);
  if (config['fail'] === true) throw new Error('the module failed');
  for (let epoch = from + 1; epoch <= to; epoch++) await report({ loss: epoch === config['nanAt'] ? NaN : 1 / epoch });
}
