import type { Difference } from '../contract/history.ts'
import { type Change, changesBetween, type Step } from './diff.ts'

/** How many characters of a value are shown. */
const MAX_VALUE = 200
/** How many of a key. */
const MAX_KEY = 60
/** How many of a path. */
const MAX_PATH = 300
/** How many lines a text has at most; the patch has all. */
const MAX_LINES = 2000

/** JSON escapes of a character, as UTF-16 has it. */
const escapes = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** Escapes what would move a terminal's cursor, change its colour, turn text around, or not be seen at all. */
export const visible = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escapes)

function shown(value: unknown, most: number): string {
  const json = JSON.stringify(value) ?? 'null'
  return json.length > most ? `${visible(json.slice(0, most))}… (${json.length} characters)` : visible(json)
}

/** `.name`, or in quotes what could be read as something else. */
function stepText(step: Step, isFirst: boolean): string {
  if (typeof step === 'number') return `[${step}]`
  const isPlain = step.length <= MAX_KEY && /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(step)
  if (!isPlain) return `[${shown(step, MAX_KEY)}]`
  return isFirst ? step : `.${step}`
}

/** `data.items[2].name`; of a long one the beginning and the end. */
function pathText(path: readonly Step[]): string {
  const steps = path.map((step, i) => stepText(step, i === 0))
  let [length, left] = [0, 0]
  while (left < steps.length && length + (steps[left]?.length ?? 0) <= MAX_PATH / 2) length += steps[left++]?.length ?? 0
  let right = steps.length
  while (right > left && length + (steps[right - 1]?.length ?? 0) <= MAX_PATH) length += steps[--right]?.length ?? 0
  return [...steps.slice(0, left), ...(right > left ? ['…'] : []), ...steps.slice(right)].join('')
}

function line({ path, operation, before }: Change): string {
  const where = pathText(path)
  if (operation.op === 'add') return `+ ${where}: ${shown(operation.value, MAX_VALUE)}`
  if (operation.op === 'remove') return `- ${where}: ${shown(before, MAX_VALUE)}`
  return `~ ${where}: ${shown(before, MAX_VALUE)} -> ${shown(operation.value, MAX_VALUE)}`
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
