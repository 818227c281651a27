/**
 * Whether a share (of failed calls, of slow ones) is worse on the canary than on the stable nodes. Not a test of "is there
 * any difference", which with enough traffic finds one always, but the interval of the difference held against two
 * limits: clearly above the one that would be noticed, or clearly below the one that is tolerated.
 */

/** Calls on both tracks of one kind (an action, a route), and how many of them were bad. */
export interface Stratum {
  canary: Counts;
  stable: Counts;
}
export interface Counts {
  bad: number;
  total: number;
}

/** The difference of two shares, canary less stable, with the ends of its interval. */
export interface Difference {
  canary: number;
  stable: number;
  lower: number;
  upper: number;
}

/** Quantile of the standard normal distribution for 1 - `alpha`, by bisection of its integral (error below 1e-7). */
export function normalQuantile(alpha: number): number {
  let [low, high] = [-10, 10];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (upperTail(middle) > alpha) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(Z > z), by the continued fraction and the series of the error function (Abramowitz and Stegun 26.2.11, 26.2.14). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let [sum, term] = [z, z];
    for (let k = 3; term > sum * 1e-16; k += 2) sum += term *= (z * z) / k;
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let k = 60; k > 0; k--) fraction = z + k / fraction;
  return density / fraction;
}

/** Wilson's score interval of a share (1927), which holds with no bad call at all and with few calls. */
function wilson(share: number, n: number, z: number): { lower: number; upper: number } {
  const middle = share + (z * z) / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  const scale = 1 + (z * z) / n;
  return { lower: Math.max(0, (middle - half) / scale), upper: Math.min(1, (middle + half) / scale) };
}

/**
 * The difference of shares over all strata, or null where no stratum has calls on both tracks. Both shares are weighted
 * alike (Mantel and Haenszel's weights, 1959), so that another mix of actions on the canary is no difference; weighting
 * costs calls, by Kish's effective size. The interval is Newcombe's (1998, his method 10).
 * @param alpha chance that either end alone is wrong
 */
export function differenceOf(strata: readonly Stratum[], alpha: number): Difference | null {
  const shared = strata.filter(({ canary, stable }) => canary.total > 0 && stable.total > 0);
  const weights = shared.map(({ canary: { total: c }, stable: { total: s } }) => (c * s) / (c + s));
  const sum = weights.reduce((a, b) => a + b, 0);
  if (sum === 0) return null;
  const of = (track: keyof Stratum): { share: number; n: number } => {
    let [share, inverse] = [0, 0];
    for (const [i, stratum] of shared.entries()) {
      const { bad, total } = stratum[track];
      const weight = (weights[i] as number) / sum;
      share += weight * Math.min(1, bad / total);
      inverse += weight ** 2 / total;
    }
    return { share, n: 1 / inverse };
  };
  const [c, s, z] = [of("canary"), of("stable"), normalQuantile(alpha)];
  const [ofC, ofS] = [wilson(c.share, c.n, z), wilson(s.share, s.n, z)];
  const difference = c.share - s.share;
  return {
    canary: c.share,
    stable: s.share,
    lower: difference - Math.hypot(c.share - ofC.lower, ofS.upper - s.share),
    upper: difference + Math.hypot(ofC.upper - c.share, s.share - ofS.lower),
  };
}

/** What a share may be worse by. With enough calls every difference is above `noticed` or below `tolerated`. */
export interface Limits {
  /** The canary fails when the difference is surely larger. */
  noticed: number;
  /** It passes when the difference is surely smaller. */
  tolerated: number;
}

/**
 * @param alpha chance of failing a canary that is no worse than `noticed`
 * @param beta chance of passing one that is worse than `tolerated`
 */
export function compare(
  strata: readonly Stratum[],
  { noticed, tolerated }: Limits,
  { alpha, beta }: { alpha: number; beta: number },
): "worse" | "fine" | "unsure" {
  const strict = differenceOf(strata, alpha);
  if (strict && strict.lower > noticed) return "worse";
  const loose = differenceOf(strata, beta);
  return loose && loose.upper < tolerated ? "fine" : "unsure";
}
