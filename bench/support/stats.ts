/**
 * The value below which `share` of the values lie (nearest rank).
 * @param share from 0 to 1
 * @throws Error without values
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (value === undefined) throw new Error('there is no percentile of nothing')
  return value
}

/** The middle value; of an even number of them the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const half = values.length / 2
  return Number.isInteger(half) && half > 0 ? (percentile(values, 0.5) + percentile(values, 0.5 + 1 / values.length)) / 2 : percentile(values, 0.5)
}

/** A round of ours and the one of the baseline beside it. */
export interface Pair {
  readonly ours: number
  readonly baseline: number
}

/** Rounds in short: the medians, and the median of the ratios of each round with its neighbour, since machines drift. */
export const summary = (pairs: readonly Pair[]): { ours: number; baseline: number; ratio: number } => ({
  ours: median(pairs.map(({ ours }) => ours)),
  baseline: median(pairs.map(({ baseline }) => baseline)),
  ratio: median(pairs.map(({ ours, baseline }) => ours / baseline)),
})

/**
 * Runs ours and the baseline in turn, A B B A A B …, so that neither is always first.
 * @param rounds of each
 */
export async function alternate<T>(rounds: number, ours: () => Promise<T>, baseline: () => Promise<T>): Promise<{ readonly ours: T; readonly baseline: T }[]> {
  const pairs: { readonly ours: T; readonly baseline: T }[] = []
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) {
      const first = await ours()
      pairs.push({ ours: first, baseline: await baseline() })
    } else {
      const first = await baseline()
      pairs.push({ baseline: first, ours: await ours() })
    }
  }
  return pairs
}

/** As {@link alternate}, of rounds that give one number. */
export const interleave = (rounds: number, ours: () => Promise<number>, baseline: () => Promise<number>): Promise<Pair[]> => alternate(rounds, ours, baseline)

/** A percentile of each round, in short. */
export const summaryAt = (share: number, pairs: readonly { readonly ours: readonly number[]; readonly baseline: readonly number[] }[]) =>
  summary(pairs.map((each) => ({ ours: percentile(each.ours, share), baseline: percentile(each.baseline, share) })))
