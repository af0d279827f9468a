/** The most that a service gives at once. */
const PAGE = 1000

/** A page of a list. */
export interface Page<T, C> {
  readonly items: readonly T[]
  /** Where the next begins; undefined on the last. */
  readonly next: C | undefined
}

/**
 * Reads pages until there is enough, or no more.
 * @param most how many at most
 * @param from where to begin; undefined: at the begin
 */
export async function gather<T, C>(most: number, from: C | undefined, read: (from: C | undefined, limit: number) => Promise<Page<T, C>>): Promise<Page<T, C>> {
  const items: T[] = []
  let next = from
  do {
    const page = await read(next, Math.min(most - items.length, PAGE))
    items.push(...page.items)
    next = page.next
  } while (next !== undefined && items.length < most)
  return { items, next }
}
