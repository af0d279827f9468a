import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { StartError } from './env.ts'

/** How much of a file is looked at, in characters: a key is short, and what is longer is something else. */
const MAX_CHARACTERS = 4096

/** What a file says: a key, or why it holds none. What it holds is never shown. */
export type KeyFileContent = { readonly key: string } | { readonly problem: string }

/** The key that a text holds: printable ASCII without spaces, with white space around it and a line's end at most. */
export function keyIn(text: string): KeyFileContent {
  const key = text.trim()
  if (key === '') return { problem: 'it is empty' }
  if (text.length > MAX_CHARACTERS) return { problem: `it is longer than ${MAX_CHARACTERS} characters` }
  return /^[\x21-\x7e]+$/.test(key) ? { key } : { problem: 'it does not hold one key of printable ASCII without spaces' }
}

/** Why a file cannot be read, without its path: that is named beside. */
export const readProblem = (error: unknown): string =>
  error instanceof Error && 'code' in error ? `it cannot be read: ${String(error.code)}` : 'it cannot be read'

/** A variable that names a file with a key, as Docker and Kubernetes mount secrets; gives the path and the key. */
export const keyFile = () =>
  z
    .string()
    .transform((path, context) => {
      try {
        return { path, key: readKeyFile(path) }
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error)
        // Without the path: who has set it to the key itself by mistake must not find it in a log.
        context.addIssue({ code: 'custom', message: `must be the path of a file that holds one key (${problem})` })
        return z.NEVER
      }
    })
    .optional()

/**
 * Reads a key from a file.
 * @throws Error that says what is wrong with it, and nothing of what it holds
 */
export function readKeyFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(readProblem(error), { cause: error })
  }
  const content = keyIn(text)
  if ('problem' in content) throw new Error(content.problem)
  return content.key
}

/**
 * The key that one of two variables gives: itself, or the file that `…_FILE` names.
 * @param name of the variable for the key itself
 * @param standard what stands for a key that was not set; undefined: none
 * @throws StartError where both are set: which of them holds would be anybody's guess
 */
export function keyOf<T extends string | undefined>(
  name: string,
  key: T,
  file: { readonly path: string; readonly key: string } | undefined,
  standard?: string,
): { readonly key: T | string; readonly path: string | undefined } {
  if (file === undefined) return { key, path: undefined }
  if (key !== undefined && key !== standard)
    throw new StartError(
      `Cannot start: ${name} and ${name}_FILE are both set, the latter to ${JSON.stringify(file.path)}: set one of them; a key in a file can be changed without showing it to whoever lists processes`,
    )
  return file
}
