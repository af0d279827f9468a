import type { PatchOperation } from '../contract/history.ts'
import { isObject, JsonEquality, JsonSizes } from './compare.ts'

/** One step of a path: a key of an object, or an index of an array. */
export type Step = string | number

/** One operation of a difference, with what was there: for people to read. */
export interface Change {
  readonly path: readonly Step[]
  readonly operation: PatchOperation
  /** Undefined where nothing was there. */
  readonly before: unknown
}

/**
 * A place in a document. The places of a container's parts share it, so that none costs more than its own step until it is
 * known which are told of.
 */
interface Place {
  readonly parent: Place | undefined
  readonly step: Step
  /** Of its JSON Pointer. */
  readonly length: number
}

interface Found {
  readonly op: PatchOperation['op']
  readonly place: Place | undefined
  readonly before: unknown
  readonly after: unknown
}

/** What an operation takes beside its path and its value, in characters: `{"op":"replace","path":"","value":},`. */
const OPERATION_SIZE = 36
/** Up to this size a container's operations are told one by one, whatever replacing it would take. */
const ALWAYS_SINGLE = 64 * 1024

/** A step of a JSON Pointer (RFC 6901, section 3). */
const escaped = (step: Step): string => (typeof step === 'number' ? String(step) : step.replaceAll('~', '~0').replaceAll('/', '~1'))

const below = (parent: Place | undefined, step: Step): Place => ({ parent, step, length: (parent?.length ?? 0) + String(step).length + 1 })

function pathOf(place: Place | undefined): readonly Step[] {
  const path: Step[] = []
  for (let at = place; at; at = at.parent) path.push(at.step)
  return path.reverse()
}

function toChange({ op, place, before, after }: Found): Change {
  const path = pathOf(place)
  const pointer = path.map((step) => `/${escaped(step)}`).join('')
  return { path, before, operation: op === 'remove' ? { op, path: pointer } : { op, path: pointer, value: after } }
}

class Comparison {
  readonly #equality = new JsonEquality()
  readonly #sizes = new JsonSizes()
  readonly #found: Found[] = []
  /** Of the operations found so far, in characters. */
  #size = 0

  get changes(): readonly Change[] {
    return this.#found.map(toChange)
  }

  value(place: Place | undefined, from: unknown, to: unknown): void {
    const [count, size] = [this.#found.length, this.#size]
    const isTooMuch = () => this.#isMoreThanReplacing(place, to, this.#size - size)
    if (Array.isArray(from) && Array.isArray(to)) this.#array(place, from, to, isTooMuch)
    else if (isObject(from) && isObject(to)) this.#object(place, from, to, isTooMuch)
    else if (!Object.is(from, to)) this.#add('replace', place, from, to)
    if (!isTooMuch()) return
    this.#found.length = count
    this.#size = size
    this.#add('replace', place, from, to)
  }

  /** Whether operations of this size say in more than twice as much what replacing the whole says. */
  #isMoreThanReplacing(place: Place | undefined, to: unknown, size: number): boolean {
    return place !== undefined && size > ALWAYS_SINGLE && size > 2 * this.#sizeOf('replace', place, to)
  }

  #object(place: Place | undefined, from: Readonly<Record<string, unknown>>, to: Readonly<Record<string, unknown>>, isTooMuch: () => boolean): void {
    for (const key of Object.keys(from)) {
      if (Object.hasOwn(to, key)) this.value(below(place, key), from[key], to[key])
      else this.#add('remove', below(place, key), from[key], undefined)
      if (isTooMuch()) return
    }
    for (const key of Object.keys(to)) {
      if (!Object.hasOwn(from, key)) this.#add('add', below(place, key), undefined, to[key])
      if (isTooMuch()) return
    }
  }

  /** What both begin and end with stays; of the rest, item against item, then what is more or less. */
  #array(place: Place | undefined, from: readonly unknown[], to: readonly unknown[], isTooMuch: () => boolean): void {
    const shorter = Math.min(from.length, to.length)
    let start = 0
    while (start < shorter && this.#equality.same(from[start], to[start])) start++
    let end = 0
    while (end < shorter - start && this.#equality.same(from[from.length - 1 - end], to[to.length - 1 - end])) end++
    const [removed, added] = [from.length - start - end, to.length - start - end]
    const both = Math.min(removed, added)
    for (let i = start; i < start + both && !isTooMuch(); i++) this.value(below(place, i), from[i], to[i])
    // From the end, so that no index is moved by the operation before it.
    for (let i = start + removed - 1; i >= start + both && !isTooMuch(); i--) this.#add('remove', below(place, i), from[i], undefined)
    for (let i = start + both; i < start + added && !isTooMuch(); i++) this.#add('add', below(place, i), undefined, to[i])
  }

  #add(op: PatchOperation['op'], place: Place | undefined, before: unknown, after: unknown): void {
    this.#found.push({ op, place, before, after })
    this.#size += this.#sizeOf(op, place, after)
  }

  #sizeOf(op: PatchOperation['op'], place: Place | undefined, after: unknown): number {
    return OPERATION_SIZE + (place?.length ?? 0) + (op === 'remove' ? 0 : this.#sizes.of(after))
  }
}

/**
 * What turns one JSON value into another, as operations of a JSON Patch (RFC 6902) in the order in which they apply. Its
 * cost grows with the size of both and no faster: of a changed array the parts at both ends that are the same are left
 * alone, and the rest is compared by index. (A shortest patch takes the product of their lengths, and a config may hold
 * an array of a hundred thousand.) Neither does the patch: where the operations in an object or array would take more than
 * twice its replacement, it is replaced. (Each operation repeats the whole path: a thousand of them below a long key are a
 * thousand times that key.)
 */
export function changesBetween(from: unknown, to: unknown): readonly Change[] {
  const comparison = new Comparison()
  comparison.value(undefined, from, to)
  return comparison.changes
}
