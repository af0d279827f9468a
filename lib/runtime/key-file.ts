import { readFileSync } from 'node:fs'
import { StartError } from './env.ts'

/** What a key may be: what a header can carry. */
const isKey = /^[\x21-\x7e]{1,1024}$/

/**
 * Reads a key from a file, as secrets are mounted: its text without the white space around it.
 * @throws Error that says what is wrong with it, and nothing of what it holds
 */
export function readKeyFile(path: string): string {
  const text = readFileSync(path, 'utf8').trim()
  if (!isKey.test(text)) throw new Error(text === '' ? 'it is empty' : 'it does not hold one key of printable ASCII without spaces')
  return text
}

/**
 * A key that may be given itself or by a file.
 * @param name of the variable: `API_KEY`; that of the file is `API_KEY_FILE`
 * @returns undefined where neither is given
 * @throws StartError where both are, or the file holds no key
 */
export function keyOf(name: string, value: string | undefined, file: string | undefined): string | undefined {
  if (file === undefined) return value
  if (value !== undefined) throw new StartError(`Cannot start: ${name} and ${name}_FILE are both set; set one of them`)
  try {
    return readKeyFile(file)
  } catch (error) {
    throw new StartError(
      `Cannot start: ${name}_FILE is ${JSON.stringify(file)}, and no key can be read from it (${error instanceof Error ? error.message : String(error)})`,
    )
  }
}
