import { readFile } from 'node:fs/promises'
import { text as allOf } from 'node:stream/consumers'
import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { CliError, exits, reasonOf } from './exit.ts'

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a value is a JSON object. */
export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The JSON object that a file holds, read as strictly as the services read: else what they get would not be what it says.
 * @param file `-` is standard input
 * @param what it is to hold, for the message
 * @throws CliError
 */
export async function readObject(file: string, what: string): Promise<JsonObject> {
  const name = file === '-' ? 'standard input' : file
  let text: string
  try {
    // As a stream: a pipe whose other end is slow has nothing to read at once, which is no error.
    text = file === '-' ? await allOf(process.stdin) : await readFile(file, 'utf8')
  } catch (error) {
    throw new CliError(exits.noInput, `cannot read ${name}: ${reasonOf(error)}`)
  }
  let content: unknown
  try {
    // A byte order mark, as some editors write it, is no part of JSON.
    content = parseStrictJson(text.replace(/^\ufeff/, ''))
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    throw new CliError(exits.data, `cannot use ${name}: ${error.path ? `${error.path}: ` : ''}${error.message}`)
  }
  if (!isObject(content)) throw new CliError(exits.data, `cannot use ${name}: it must hold ${what}, a JSON object`)
  return content
}
