/** What a part of `data` is to be that workers read as an object. */
export const OBJECT_WANTED = 'expected an object, or a string that holds a JSON object'

/**
 * Reads a part of a config's `data` that is an object, or a string that holds one: a Go agent turns every value of a config
 * into a string.
 * @returns undefined where it is neither
 */
export function objectOf(value: unknown): object | undefined {
  if (typeof value !== 'string') return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  try {
    const held: unknown = JSON.parse(value)
    return typeof held === 'string' ? undefined : objectOf(held)
  } catch {
    return undefined
  }
}
