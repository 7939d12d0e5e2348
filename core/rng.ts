/**
 * Seeded random streams in 32-bit integers: the same numbers on every engine and for every version, which a pinned
 * library could not promise beyond its next release. Generator: xoshiro128** (Blackman and Vigna 2018), its state
 * filled by splitmix32 from a hash of the seed and the stream's path.
 */
export interface Stream {
  /** A whole number of [0, 2^32). */
  uint32(): number;
  /** [0, 1) with 53 random bits. */
  uniform(): number;
  /** A whole number of [0, n), unbiased; n at most 2^32. */
  below(n: number): number;
  /** 0 ... n - 1 in random order. */
  permutation(n: number): number[];
}

/** The stream of `seed` named by `path`; streams of different paths are independent. */
export function stream(seed: number, ...path: readonly (string | number)[]): Stream {
  let hash = 0x811c9dc5 ^ (seed >>> 0);
  for (const part of path) {
    // The type and length keep 'a', 1 apart from 'a1'.
    const text = `${typeof part === 'number' ? 'n' : 's'}${String(part).length}:${part}`;
    for (let i = 0; i < text.length; i++) hash = mix(Math.imul(hash ^ text.charCodeAt(i), 0x01000193));
  }
  let filler = hash;
  const fill = () => {
    filler = (filler + 0x9e3779b9) | 0;
    return mix(filler);
  };
  let a = fill();
  let b = fill();
  let c = fill();
  let d = fill();
  if ((a | b | c | d) === 0) a = 1;

  function uint32(): number {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result >>> 0;
  }
  function uniform(): number {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }
  function below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 4294967296)) throw new RangeError(`below(${n}): 1 to 2^32`);
    const fair = 4294967296 - (4294967296 % n);
    for (;;) {
      const draw = uint32();
      if (draw < fair) return draw % n;
    }
  }
  function permutation(n: number): number[] {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = below(i + 1);
      const kept = order[i] as number;
      order[i] = order[j] as number;
      order[j] = kept;
    }
    return order;
  }
  return { uint32, uniform, below, permutation };
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

function mix(x: number): number {
  let z = x;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) | 0;
}
