/** Whether a value is a JSON object. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Compares JSON values, and remembers which objects and arrays are not the same: where arrays lie in each other, each of
 * them asks again about all that is in it, and the cost would grow with the depth too.
 */
export class JsonEquality {
  readonly #different = new WeakMap<object, WeakSet<object>>()

  /** Whether two JSON values are the same; the order of keys says nothing. */
  same(a: unknown, b: unknown): boolean {
    if (Object.is(a, b)) return true
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
    if (this.#different.get(a)?.has(b)) return false
    if (this.#sameParts(a, b)) return true
    const known = this.#different.get(a)
    if (known) known.add(b)
    else this.#different.set(a, new WeakSet([b]))
    return false
  }

  #sameParts(a: object, b: object): boolean {
    if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => this.same(item, b[i]))
    if (!isObject(a) || !isObject(b)) return false
    const keys = Object.keys(a)
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && this.same(a[key], b[key]))
  }
}

/** Measures JSON values, each object and array once. */
export class JsonSizes {
  readonly #known = new WeakMap<object, number>()

  /** The length of a value's JSON, in UTF-16 units. */
  of(value: unknown): number {
    if (typeof value === 'string') return JSON.stringify(value).length
    if (typeof value !== 'object' || value === null) return String(value).length
    const known = this.#known.get(value)
    if (known !== undefined) return known
    let size = 2
    if (Array.isArray(value)) for (const item of value) size += this.of(item) + 1
    else for (const [key, part] of Object.entries(value)) size += JSON.stringify(key).length + this.of(part) + 2
    this.#known.set(value, size)
    return size
  }
}
