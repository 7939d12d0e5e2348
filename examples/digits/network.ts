/**
 * A small convolutional network in plain typed arrays: one convolution, ReLU, 2 x 2 max pooling, a dense softmax;
 * mini-batches with momentum and weight decay. Same seed, same bits.
 */
import { exp, log } from '../../core/math.js';
import { stream } from '../../core/rng.js';
import { pixels, side, type Images } from './data.js';

export interface Settings {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly filters: number;
  /** Width of the kernel, 3 or 5. */
  readonly kernel: number;
  readonly batch: number;
}

const classes = 10;

export class Network {
  /** Kernel weights, kernel biases, dense weights, dense biases. */
  readonly weights: Float64Array;
  readonly velocity: Float64Array;
  private readonly gradient: Float64Array;
  private readonly convolved: number;
  private readonly pooled: number;
  private readonly features: number;
  private readonly parts: { readonly bias: number; readonly dense: number; readonly out: number };
  private readonly pool: Float64Array;
  private readonly winners: Int32Array;
  private readonly scores = new Float64Array(classes);
  private readonly poolGradient: Float64Array;

  constructor(
    readonly settings: Settings,
    readonly seed: number
  ) {
    const { filters, kernel } = settings;
    this.convolved = side - kernel + 1;
    this.pooled = this.convolved >> 1;
    this.features = filters * this.pooled * this.pooled;
    const bias = filters * kernel * kernel;
    const dense = bias + filters;
    const out = dense + this.features * classes;
    this.parts = { bias, dense, out };
    const size = out + classes;
    this.weights = new Float64Array(size);
    this.velocity = new Float64Array(size);
    this.gradient = new Float64Array(size);
    this.pool = new Float64Array(this.features);
    this.poolGradient = new Float64Array(this.features);
    this.winners = new Int32Array(this.features);
    const random = stream(seed, 'weights');
    const fill = (from: number, to: number, fanIn: number) => {
      const width = Math.sqrt(6 / fanIn);
      for (let i = from; i < to; i++) this.weights[i] = (2 * random.uniform() - 1) * width;
    };
    fill(0, bias, kernel * kernel);
    fill(dense, out, this.features * 2);
  }

  /** One pass over the images in an order of (seed, epoch); the mean loss before each step. */
  trainEpoch(images: Images, epoch: number): number {
    const order = stream(this.seed, 'epoch', epoch).permutation(images.count);
    const { batch } = this.settings;
    let total = 0;
    for (let from = 0; from < order.length; from += batch) {
      const members = order.slice(from, from + batch);
      this.gradient.fill(0);
      for (const image of members) total += this.accumulate(images, image);
      this.step(members.length);
    }
    return total / images.count;
  }

  /** Summed loss of some images and its gradient, without weight decay; for tests. */
  lossAndGradient(images: Images, members: readonly number[]): { loss: number; gradient: Float64Array } {
    this.gradient.fill(0);
    const loss = members.reduce((sum, image) => sum + this.accumulate(images, image), 0);
    return { loss, gradient: this.gradient.slice() };
  }

  /** Share of images whose highest score is their label, and mean loss. */
  evaluate(images: Images): { accuracy: number; loss: number } {
    let right = 0;
    let loss = 0;
    for (let image = 0; image < images.count; image++) {
      loss += this.forward(images, image);
      let best = 0;
      for (let c = 1; c < classes; c++) if ((this.scores[c] as number) > (this.scores[best] as number)) best = c;
      if (best === images.labels[image]) right++;
    }
    return { accuracy: right / images.count, loss: loss / images.count };
  }

  /** Fills `scores` with probabilities and gives the cross entropy. */
  private forward(images: Images, image: number): number {
    const { filters, kernel } = this.settings;
    const { weights: w, parts, pool, winners, pooled, scores, features } = this;
    const base = image * pixels;
    const input = images.pixels;
    let feature = 0;
    for (let f = 0; f < filters; f++) {
      const kernelAt = f * kernel * kernel;
      const bias = w[parts.bias + f] as number;
      for (let py = 0; py < pooled; py++) {
        for (let px = 0; px < pooled; px++, feature++) {
          const at = base + 2 * py * side + 2 * px;
          // Four sums at a time: one alone would wait for each of its own additions.
          let sum0 = bias;
          let sum1 = bias;
          let sum2 = bias;
          let sum3 = bias;
          for (let ky = 0, k = kernelAt; ky < kernel; ky++) {
            for (let kx = 0, i = at + ky * side; kx < kernel; kx++, k++, i++) {
              const weight = w[k] as number;
              sum0 += weight * (input[i] as number);
              sum1 += weight * (input[i + 1] as number);
              sum2 += weight * (input[i + side] as number);
              sum3 += weight * (input[i + side + 1] as number);
            }
          }
          let best = 0;
          let winner = -1;
          // No number wins over every number, so that a diverged network shows in its loss.
          if (sum0 > best || sum0 !== sum0) [best, winner] = [sum0, at];
          if (sum1 > best || sum1 !== sum1) [best, winner] = [sum1, at + 1];
          if (sum2 > best || sum2 !== sum2) [best, winner] = [sum2, at + side];
          if (sum3 > best || sum3 !== sum3) [best, winner] = [sum3, at + side + 1];
          pool[feature] = best;
          winners[feature] = winner;
        }
      }
    }
    let most = -Infinity;
    for (let c = 0; c < classes; c += 2) {
      let sum0 = w[parts.out + c] as number;
      let sum1 = w[parts.out + c + 1] as number;
      for (let i = 0, k = parts.dense + c * features; i < features; i++, k++) {
        const value = pool[i] as number;
        sum0 += (w[k] as number) * value;
        sum1 += (w[k + features] as number) * value;
      }
      scores[c] = sum0;
      scores[c + 1] = sum1;
      if (sum0 > most) most = sum0;
      if (sum1 > most) most = sum1;
    }
    let norm = 0;
    for (let c = 0; c < classes; c++) norm += scores[c] = exp((scores[c] as number) - most);
    for (let c = 0; c < classes; c++) (scores[c] as number) /= norm;
    return -log(Math.max(scores[images.labels[image] as number] as number, 1e-300));
  }

  private accumulate(images: Images, image: number): number {
    const loss = this.forward(images, image);
    const { filters, kernel } = this.settings;
    const { weights: w, gradient: g, parts, pool, winners, pooled, scores, features, poolGradient } = this;
    const label = images.labels[image] as number;
    poolGradient.fill(0);
    for (let c = 0; c < classes; c++) {
      const d = (scores[c] as number) - (c === label ? 1 : 0);
      (g[parts.out + c] as number) += d;
      for (let i = 0, k = parts.dense + c * features; i < features; i++, k++) {
        (g[k] as number) += d * (pool[i] as number);
        (poolGradient[i] as number) += d * (w[k] as number);
      }
    }
    const input = images.pixels;
    let feature = 0;
    for (let f = 0; f < filters; f++) {
      for (let cell = 0; cell < pooled * pooled; cell++, feature++) {
        const at = winners[feature] as number;
        if (at < 0) continue;
        const d = poolGradient[feature] as number;
        (g[parts.bias + f] as number) += d;
        for (let ky = 0, k = f * kernel * kernel; ky < kernel; ky++) {
          for (let kx = 0, i = at + ky * side; kx < kernel; kx++, k++, i++)
            (g[k] as number) += d * (input[i] as number);
        }
      }
    }
    return loss;
  }

  private step(members: number): void {
    const { lr, momentum, weightDecay } = this.settings;
    const { weights: w, velocity: v, gradient: g } = this;
    for (let i = 0; i < w.length; i++) {
      v[i] = momentum * (v[i] as number) - lr * ((g[i] as number) / members + weightDecay * (w[i] as number));
      (w[i] as number) += v[i] as number;
    }
  }

  /** Everything that training goes on from, exactly. */
  save(): Buffer {
    return Buffer.concat([this.weights, this.velocity].map((array) => Buffer.from(array.buffer)));
  }

  restore(saved: Buffer): void {
    const size = this.weights.byteLength;
    if (saved.byteLength !== 2 * size)
      throw new RangeError(`a checkpoint of ${2 * size} bytes is needed, not ${saved.byteLength}`);
    const copy = saved.buffer.slice(saved.byteOffset, saved.byteOffset + saved.byteLength);
    this.weights.set(new Float64Array(copy, 0, this.weights.length));
    this.velocity.set(new Float64Array(copy, size, this.velocity.length));
  }
}
