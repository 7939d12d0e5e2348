import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fitIsotonic } from '../../../core/predictors/isotonic.js';

/** What isotonic_reference.py prints. */
export type Reference = readonly { x: number[]; y: number[]; asked: number[]; predicted: number[] }[];

export function committed(): Reference {
  return JSON.parse(
    readFileSync(fileURLToPath(new URL('./fixtures/isotonic.json', import.meta.url)), 'utf8')
  ) as Reference;
}

export function agrees(reference: Reference): void {
  for (const { x, y, asked, predicted } of reference) {
    const line = fitIsotonic(x, y);
    asked.forEach((at, i) => {
      const [ours, theirs] = [line(at), predicted[i] as number];
      assert.ok(Math.abs(ours - theirs) < 1e-9, `${ours} at ${at}, not ${theirs}: ${JSON.stringify({ x, y })}`);
    });
  }
}
