import type { PatchOperation } from '../contract/history.ts'

/** One step of a path: a key of an object, or an index of an array. */
type Step = string | number

/** A JSON Pointer (RFC 6901, section 3). */
const pointer = (path: readonly Step[]): string => path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether two JSON values are the same; the order of keys says nothing. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSameJson(item, b[i]))
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSameJson(a[key], b[key]))
}

/** What is known of an operation beside the patch: the value that was there, for people to read. */
export interface Change {
  readonly path: readonly Step[]
  readonly operation: PatchOperation
  /** Undefined where nothing was there. */
  readonly before: unknown
}

class Comparison {
  readonly changes: Change[] = []

  value(path: readonly Step[], from: unknown, to: unknown): void {
    if (Array.isArray(from) && Array.isArray(to)) this.#array(path, from, to)
    else if (isObject(from) && isObject(to)) this.#object(path, from, to)
    else if (!Object.is(from, to)) this.#add(path, { op: 'replace', path: pointer(path), value: to }, from)
  }

  #object(path: readonly Step[], from: Readonly<Record<string, unknown>>, to: Readonly<Record<string, unknown>>): void {
    for (const key of Object.keys(from)) {
      const at = [...path, key]
      if (Object.hasOwn(to, key)) this.value(at, from[key], to[key])
      else this.#add(at, { op: 'remove', path: pointer(at) }, from[key])
    }
    for (const key of Object.keys(to)) {
      const at = [...path, key]
      if (!Object.hasOwn(from, key)) this.#add(at, { op: 'add', path: pointer(at), value: to[key] }, undefined)
    }
  }

  /** What both begin and end with stays; of the rest, item against item, then what is more or less. */
  #array(path: readonly Step[], from: readonly unknown[], to: readonly unknown[]): void {
    const shorter = Math.min(from.length, to.length)
    let start = 0
    while (start < shorter && isSameJson(from[start], to[start])) start++
    let end = 0
    while (end < shorter - start && isSameJson(from[from.length - 1 - end], to[to.length - 1 - end])) end++
    const [removed, added] = [from.length - start - end, to.length - start - end]
    const both = Math.min(removed, added)
    for (let i = start; i < start + both; i++) this.value([...path, i], from[i], to[i])
    // From the end, so that no index is moved by the operation before it.
    for (let i = start + removed - 1; i >= start + both; i--) {
      const at = [...path, i]
      this.#add(at, { op: 'remove', path: pointer(at) }, from[i])
    }
    for (let i = start + both; i < start + added; i++) {
      const at = [...path, i]
      this.#add(at, { op: 'add', path: pointer(at), value: to[i] }, undefined)
    }
  }

  #add(path: readonly Step[], operation: PatchOperation, before: unknown): void {
    this.changes.push({ path, operation, before })
  }
}

/**
 * What turns one JSON value into another, as operations of a JSON Patch (RFC 6902) in the order in which they apply. Its
 * cost grows with the size of both and no faster: of a changed array the parts at both ends that are the same are left
 * alone, and the rest is compared by index. (A shortest patch takes the product of their lengths, and a config may hold
 * an array of a hundred thousand.)
 */
export function changesBetween(from: unknown, to: unknown): readonly Change[] {
  const comparison = new Comparison()
  comparison.value([], from, to)
  return comparison.changes
}
