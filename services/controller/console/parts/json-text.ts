/** A value with the keys of all objects in one order, so that two that say the same look the same. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries: [string, unknown][] = Object.entries(value)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]))
}

/** JSON as people read it. */
export const prettyJson = (value: unknown): string => JSON.stringify(value, undefined, 2) ?? 'null'

/** The same with its keys sorted: what lines are compared by. */
export const comparableJson = (value: unknown): string => prettyJson(sorted(value))
