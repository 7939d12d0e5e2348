/**
 * exp, log and pow to about one unit in the last place, the same bits on every engine: engines are free in their own
 * `Math.exp`, `Math.pow` and `**`. After Sun's fdlibm (see NOTICE).
 */
const ln2High = 6.9314718036912381649e-1;
const ln2Low = 1.90821492927058770002e-10;
const bits = new DataView(new ArrayBuffer(8));

/** 2^k for -1022 <= k <= 1023. */
function powerOfTwo(k: number): number {
  bits.setInt32(0, (k + 1023) << 20);
  bits.setInt32(4, 0);
  return bits.getFloat64(0);
}

/** y * 2^k for -1100 <= k <= 1100. */
function scaled(y: number, k: number): number {
  if (k > 1000) return y * powerOfTwo(k - 1000) * powerOfTwo(1000);
  if (k < -1000) return y * powerOfTwo(k + 1000) * powerOfTwo(-1000);
  return y * powerOfTwo(k);
}

/** fdlibm's polynomial P, with t = r^2 and c = r - t P(t): e^r = 1 + r + r c / (2 - c) for |r| <= ln 2 / 2. */
function expPolynomial(t: number): number {
  return (
    1.66666666666666019037e-1 +
    t *
      (-2.77777777770155933842e-3 +
        t * (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8)))
  );
}

/** e^x; Infinity above 709.78, 0 below -745.13, NaN for NaN. */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893383973096) return Infinity;
  if (x < -745.13321910194110842) return 0;
  if (Math.abs(x) < 3.7e-9) return 1 + x;
  const k = Math.abs(x) > 0.34657359027997264 ? Math.trunc(x / Math.LN2 + (x < 0 ? -0.5 : 0.5)) : 0;
  const high = x - k * ln2High;
  const low = k * ln2Low;
  const r = high - low;
  const t = r * r;
  const c = r - t * expPolynomial(t);
  const y = 1 - (low - (r * c) / (2 - c) - high);
  return scaled(y, k);
}

/** Natural logarithm; NaN below zero, -Infinity at zero. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  let k = 0;
  let m = x;
  if (m < 2.2250738585072014e-308) {
    m *= 18014398509481984;
    k = -54;
  }
  bits.setFloat64(0, m);
  const high = bits.getInt32(0);
  k += (high >> 20) - 1023;
  bits.setInt32(0, (high & 0xfffff) | 0x3ff00000);
  m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m /= 2;
    k++;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const odd = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const even =
    z *
    (6.66666666666673513e-1 +
      w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  const half = 0.5 * f * f;
  return k * ln2High - (half - (s * (half + odd + even) + k * ln2Low) - f);
}

const log2e = 0.9617966939259756; // 2 / (3 ln 2)
const log2eHigh = 9.61796700954437255859e-1;
const log2eLow = -7.02846165095275826516e-9;

/** x with the low 32 bits of its representation cleared. */
function truncated(x: number): number {
  bits.setFloat64(0, x);
  bits.setInt32(4, 0);
  return bits.getFloat64(0);
}

/** log2(x) as the sum of two numbers, the first of 21 bits, for finite x > 0. */
function log2InTwo(x: number): [number, number] {
  const subnormal = x < 2.2250738585072014e-308;
  bits.setFloat64(0, subnormal ? x * 9007199254740992 : x);
  const high = bits.getInt32(0);
  let n = (high >> 20) - 1023 - (subnormal ? 53 : 0);
  const j = high & 0xfffff;
  let top = j | 0x3ff00000;
  let above = false; // compared with 1.5 rather than with 1
  if (j > 0x3988e && j < 0xbb67a) above = true;
  else if (j >= 0xbb67a) {
    n++;
    top -= 0x00100000;
  }
  bits.setInt32(0, top);
  const m = bits.getFloat64(0);
  const base = above ? 1.5 : 1;

  // s = (m - base) / (m + base) in two parts.
  const u = m - base;
  const v = 1 / (m + base);
  const s = u * v;
  const sHigh = truncated(s);
  bits.setInt32(0, ((top >> 1) | 0x20000000) + 0x00080000 + (above ? 0x40000 : 0));
  bits.setInt32(4, 0);
  const tHigh = bits.getFloat64(0); // m + base, its high part
  const tLow = m - (tHigh - base);
  const sLow = v * (u - sHigh * tHigh - sHigh * tLow);

  const s2 = s * s;
  const r =
    s2 *
      s2 *
      (5.99999999999994648725e-1 +
        s2 *
          (4.28571428578550184252e-1 +
            s2 *
              (3.33333329818377432918e-1 +
                s2 *
                  (2.72728123808534006489e-1 + s2 * (2.30660745775561754067e-1 + s2 * 2.06975017800338417784e-1))))) +
    sLow * (sHigh + s);
  const square = sHigh * sHigh;
  const cHigh = truncated(3 + square + r);
  const cLow = r - (cHigh - 3 - square);
  const a = sHigh * cHigh;
  const b = sLow * cHigh + cLow * s;
  const pHigh = truncated(a + b);
  const pLow = b - (pHigh - a);
  const zHigh = log2eHigh * pHigh;
  const zLow = log2eLow * pHigh + pLow * log2e + (above ? 1.35003920212974897128e-8 : 0);
  const dHigh = above ? 5.84962487220764160156e-1 : 0;
  const first = truncated(zHigh + zLow + dHigh + n);
  return [first, zLow - (first - n - dHigh - zHigh)];
}

/**
 * x to the power y, to about one unit in the last place; exact where x and y are integers and the result is one that a
 * number can hold. As `**`: 1 at y = 0, NaN for a negative x and a y that is not an integer, or for |x| = 1 and an
 * infinite y.
 */
export function pow(x: number, y: number): number {
  if (y === 0) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  const size = Math.abs(x);
  if (x < 0 || Object.is(x, -0)) {
    if (Number.isInteger(y)) return y % 2 === 0 ? pow(size, y) : -pow(size, y);
    if (x < 0 && Number.isFinite(x) && Number.isFinite(y)) return NaN;
  }
  if (!Number.isFinite(y)) return size === 1 ? NaN : size > 1 === y > 0 ? Infinity : 0;
  if (size === 0 || size === Infinity) return (size === 0) === y > 0 ? 0 : Infinity;
  if (size === 1 || y === 1) return size;

  const [logHigh, logLow] = log2InTwo(size);
  const yHigh = truncated(y);
  const low = (y - yHigh) * logHigh + y * logLow;
  let high = yHigh * logHigh;
  const z = low + high;
  if (z >= 1024 && (z > 1024 || low + 8.008566259537294e-17 > z - high)) return Infinity;
  if (z <= -1075 && (z < -1075 || low <= z - high)) return 0;
  // 2^z = 2^n * 2^(high + low), the latter within a factor of sqrt 2 of 1.
  const n = Math.abs(z) > 0.5 ? Math.floor(z + 0.5) : 0;
  high -= n;
  const t = truncated(low + high);
  const u = t * 6.93147182464599609375e-1;
  const v = (low - (t - high)) * 6.93147180559945286227e-1 + t * -1.90465429995776804525e-9;
  const w = u + v;
  const rest = v - (w - u);
  const t2 = w * w;
  const c = w - t2 * expPolynomial(t2);
  const power = 1 - ((w * c) / (c - 2) - (rest + w * rest) - w);
  return scaled(power, n);
}
