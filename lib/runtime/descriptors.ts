import { z } from 'zod'

const ReportSchema = z.object({ userLimits: z.object({ open_files: z.object({ soft: z.union([z.number(), z.literal('unlimited')]) }) }) })

/**
 * How many files and connections this process may have open at once, by its own soft limit (`ulimit -n`).
 * @returns undefined where there is no limit, or the system says none
 */
export function descriptorLimit(): number | undefined {
  if (process.report === undefined) return undefined
  // Without it a report looks up the names of connected peers, which may take seconds.
  Object.assign(process.report, { excludeNetwork: true })
  const parsed = ReportSchema.safeParse(process.report.getReport())
  const soft = parsed.data?.userLimits.open_files.soft
  return typeof soft === 'number' ? soft : undefined
}
