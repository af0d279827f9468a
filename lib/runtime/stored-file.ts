import type { z } from 'zod'
import type { Logger } from '../observe/logger.ts'
import { readStored, setAside } from './atomic-file.ts'

/**
 * Reads a file that a service keeps, by its schema. What cannot be used is set aside with a warning, and the
 * service goes on without it.
 * @param options.what the file in words: "the cached config"
 * @param options.instead what happens without it: "the agent starts without it"
 */
export function readChecked<T extends z.ZodType>(
  path: string,
  schema: T,
  options: { readonly what: string; readonly instead: string; readonly logger: Logger },
): z.output<T> | 'none' | 'unusable' {
  const stored = readStored(path)
  if (stored.kind === 'none') return 'none'
  const parsed = stored.kind === 'value' ? schema.safeParse(stored.value) : undefined
  if (parsed?.success) return parsed.data
  const { movedTo, why } = stored.kind === 'corrupt' ? stored : setAside(path, 'it does not have the expected form')
  options.logger.warn('init', `${options.what} cannot be used (${why}); it was moved to ${movedTo}, and ${options.instead}`)
  return 'unusable'
}
