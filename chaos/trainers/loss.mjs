// What every trainer of the checker comes to: a loss that depends on configuration, seed and epoch alone.

export function nextLoss(loss, config, seed, epoch) {
  return loss * (1 - 0.3 * config.x) + ((seed % 1000) / 1e6) * (epoch % 7);
}

/** Whether the loss of an epoch is NaN. */
export function diverges(config, epoch) {
  return config.x > config.divergesAbove && epoch >= 3;
}

/** Whether the trainer fails in an epoch: `once`, the first time that it comes there, or `always`. */
export function failsAt(config, epoch) {
  return config.failing !== 'no' && config.luck === 0 && epoch === 2;
}
