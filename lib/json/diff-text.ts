import type { Difference } from '../contract/history.ts'
import { type Change, changesBetween } from './diff.ts'

/** How many characters of a value are shown. */
const MAX_VALUE = 200
/** How many lines a text has at most; the patch has all. */
const MAX_LINES = 2000

/** Characters that would move a terminal's cursor, change its colour or turn text around, as JSON escapes. */
const visible = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

function shown(value: unknown): string {
  const json = visible(JSON.stringify(value) ?? 'null')
  return json.length > MAX_VALUE ? `${json.slice(0, MAX_VALUE)}… (${json.length} characters)` : json
}

/** `data.items[2].name`; a key that could be read as something else stands in quotes. */
function pathText(path: Change['path']): string {
  return path.reduce<string>((all, step) => {
    if (typeof step === 'number') return `${all}[${step}]`
    const key = /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(step) ? step : null
    if (key === null) return `${all}[${shown(step)}]`
    return all === '' ? key : `${all}.${key}`
  }, '')
}

function line({ path, operation, before }: Change): string {
  const where = pathText(path)
  if (operation.op === 'add') return `+ ${where}: ${shown(operation.value)}`
  if (operation.op === 'remove') return `- ${where}: ${shown(before)}`
  return `~ ${where}: ${shown(before)} -> ${shown(operation.value)}`
}

/** What a config is compared by. */
export interface Comparable {
  readonly data: Readonly<Record<string, unknown>>
  readonly poll_interval_seconds: number
}

const partsOf = (config: Comparable | undefined) => (config ? { data: config.data, poll_interval_seconds: config.poll_interval_seconds } : {})

/**
 * What differs between two configs, as a patch and as lines for people.
 * @param from undefined: there is none, and everything is added
 */
export function differenceBetween(from: Comparable | undefined, to: Comparable): Difference {
  const changes = changesBetween(partsOf(from), partsOf(to))
  const lines = changes.slice(0, MAX_LINES).map(line)
  if (changes.length > MAX_LINES) lines.push(`… and ${changes.length - MAX_LINES} more`)
  return { patch: changes.map(({ operation }) => operation), text: lines.join('\n') }
}
