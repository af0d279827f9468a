import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { CliError, exits } from './exit.ts'
import { isObject, type JsonObject } from './input.ts'

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** JSON where it is some, else the text itself; JSON that could not be stored as it stands is refused, as the controller would. */
function readValue(pair: string, text: string): unknown {
  if (!isJson(text)) return text
  try {
    return parseStrictJson(text)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    throw new CliError(exits.data, `cannot use --set ${pair}: ${error.message}; in quotes it is text`)
  }
}

/** The path and the value of `key=value`. */
function parsePair(pair: string): { readonly path: readonly string[]; readonly value: unknown } {
  const at = pair.indexOf('=')
  const path = pair.slice(0, Math.max(at, 0)).split('.')
  if (at < 1 || path.some((step) => step === '' || step === '__proto__'))
    throw new CliError(exits.usage, `--set takes key=value, as limits.max=5, not ${JSON.stringify(pair)}`)
  return { path, value: readValue(pair, pair.slice(at + 1)) }
}

/**
 * Puts `key=value` into data and gives what comes of it. Dots lead into objects; those that are missing are made.
 * @throws CliError where it has not that form, or leads through something that is no object
 */
export function put(data: JsonObject, pair: string): JsonObject {
  const { path, value } = parsePair(pair)
  const into = (level: unknown, depth: number): JsonObject => {
    if (level !== undefined && !isObject(level))
      throw new CliError(
        exits.data,
        `cannot set ${path.join('.')}: ${path.slice(0, depth).join('.')} is ${JSON.stringify(level)?.slice(0, 60)} and no object; set that first`,
      )
    const [step = ''] = path.slice(depth)
    const held = level !== undefined && Object.hasOwn(level, step) ? level[step] : undefined
    return { ...level, [step]: depth === path.length - 1 ? value : into(held, depth + 1) }
  }
  return into(data, 0)
}
