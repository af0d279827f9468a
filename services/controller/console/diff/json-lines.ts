import { isObject } from '#lib/json/compare.ts'
import type { Slices } from '../../fleet/slices.ts'

/** JSON as the lines that people read; a comma at a line's end is kept apart, so that a line after it does not change it. */
export interface JsonLines {
  /** Without comma; before each its depth, as one character: spaces would take sixty times what a line says that lies deep. */
  readonly lines: readonly string[]
  readonly commas: readonly boolean[]
}

/** What the character for the depth 0 is. */
const SURFACE = 32

/** How deep a line lies. */
export const depthOf = (line: string): number => line.charCodeAt(0) - SURFACE

/** What stands on a line, without indentation and comma. */
export const textOf = (line: string): string => line.slice(1)

/** An object or array that is not at its end. */
interface Open {
  /** The keys of an object, in the order of its lines; undefined for an array. */
  readonly keys: readonly string[] | undefined
  readonly container: object
  readonly size: number
  readonly comma: boolean
  next: number
}

const isEmpty = (container: object): boolean => (Array.isArray(container) ? container.length === 0 : Object.keys(container).length === 0)

/**
 * Parts a JSON value into lines as `JSON.stringify(value, null, 2)` would, without holding the event loop for a large one.
 * @param options.sorted whether the keys of each object stand in one order, so that the same content gives the same lines
 */
export async function jsonLines(value: unknown, slices: Slices, { sorted }: { readonly sorted: boolean }): Promise<JsonLines> {
  const found = { lines: [] as string[], commas: [] as boolean[] }
  const open: Open[] = []
  const line = (text: string, comma: boolean) => {
    found.lines.push(String.fromCharCode(SURFACE + open.length) + text)
    found.commas.push(comma)
  }
  const begin = (prefix: string, part: unknown, comma: boolean) => {
    if (typeof part !== 'object' || part === null || isEmpty(part)) return line(`${prefix}${JSON.stringify(part)}`, comma)
    line(`${prefix}${Array.isArray(part) ? '[' : '{'}`, false)
    const keys = isObject(part) ? Object.keys(part) : undefined
    if (sorted) keys?.sort()
    open.push({ keys, container: part, size: keys?.length ?? (part as readonly unknown[]).length, comma, next: 0 })
  }
  begin('', value, false)
  for (let top = open.at(-1); top; top = open.at(-1)) {
    if (slices.due()) await slices.next()
    const at = top.next++
    if (at === top.size) {
      open.pop()
      line(top.keys ? '}' : ']', top.comma)
      continue
    }
    const key = top.keys?.[at]
    const part = key === undefined ? (top.container as readonly unknown[])[at] : (top.container as Readonly<Record<string, unknown>>)[key]
    begin(key === undefined ? '' : `${JSON.stringify(key)}: `, part, at < top.size - 1)
  }
  return found
}

/**
 * A JSON value as people read it, in the order of its keys.
 * @param most how many characters at most: a value that lies deep, many times, takes a hundred times what it says
 * @returns without indentation where it would be larger
 */
export async function prettyJson(value: unknown, slices: Slices, most: number): Promise<string> {
  const { lines, commas } = await jsonLines(value, slices, { sorted: false })
  const size = lines.reduce((sum, line) => sum + line.length + 2 * depthOf(line) + 1, 0)
  if (size > most) return JSON.stringify(value)
  return lines.map((line, i) => `${'  '.repeat(depthOf(line))}${textOf(line)}${commas[i] ? ',' : ''}`).join('\n')
}
