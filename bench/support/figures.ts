import { z } from 'zod'

/** What a figure must keep to: at least, or at most; of the ratio to the baseline, or of our own value. */
const BoundSchema = z.object({ kind: z.enum(['at least', 'at most']), of: z.enum(['ratio', 'ours']), value: z.number() })

/** One row of the table. */
export const FigureSchema = z.object({
  scenario: z.string(),
  name: z.string(),
  unit: z.enum(['/s', 'ms', 'µs', 'MiB', 'KiB', '%']),
  ours: z.number(),
  /** What stands beside it, in a few words. */
  against: z.string(),
  baseline: z.number(),
  /** Ours to the baseline: the median over neighbouring rounds. */
  ratio: z.number(),
  bound: BoundSchema.optional(),
})
export type Figure = z.output<typeof FigureSchema>

/** Everything of one run. */
export const ResultsSchema = z.object({
  at: z.iso.datetime(),
  quick: z.boolean(),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memory_gib: z.number(),
    os: z.string(),
    node: z.string(),
    redis: z.string().nullable(),
    files: z.string(),
  }),
  figures: z.array(FigureSchema),
  /** What could not be measured here, and why. */
  left_out: z.array(z.string()),
})
export type Results = z.output<typeof ResultsSchema>

/** Whether a figure keeps its bound; undefined where it has none. */
export function keepsBound({ bound, ratio, ours }: Figure): boolean | undefined {
  if (bound === undefined) return undefined
  const value = bound.of === 'ratio' ? ratio : ours
  return bound.kind === 'at least' ? value >= bound.value : value <= bound.value
}
