/** The ETag of a version, quoted as RFC 9110 section 8.8.3 asks. */
export const etagOf = (version: number): string => `"${version}"`

/** One member of a list of entity tags: `*`, `W/"7"`, `"7"`, or `7` as Go agents send it. */
const member = /^\s*(?:(\*)|(W\/)?"([^"]*)"|(\d+))\s*(?:,|$)/

interface Tag {
  readonly any: boolean
  readonly weak: boolean
  readonly value: string
}

/** The members of an If-Match or If-None-Match header; what is malformed ends the list. */
function parseTags(header: string): Tag[] {
  const tags: Tag[] = []
  for (let rest = header; rest.trim() !== ''; ) {
    const match = member.exec(rest)
    if (!match) break
    const [whole, star, weak, quoted, bare] = match
    tags.push({ any: star !== undefined, weak: weak !== undefined, value: quoted ?? bare ?? '' })
    rest = rest.slice(whole.length)
  }
  return tags
}

/** One number, bare or quoted. */
const single = /^"?\d{1,16}"?$/

/**
 * Whether If-None-Match names the version (RFC 9110 section 13.1.2, weak comparison; a bare number as Go
 * agents send it is taken too).
 */
export function noneMatchHits(header: string, version: number): boolean {
  // The two forms that agents send, without making a list of them.
  if (header === String(version) || header === `"${version}"`) return true
  // One tag, and another one: what each of a thousand watchers holds when the next version comes.
  if (single.test(header)) return false
  return parseTags(header).some((tag) => tag.any || tag.value === String(version))
}

/**
 * Whether If-Match lets a change to the latest version pass (RFC 9110 section 13.1.1, strong comparison).
 * `"0"` stands for the state before the first publish.
 * @param latest the latest version, 0 where there is none
 */
export function ifMatchPasses(header: string, latest: number): boolean {
  return parseTags(header).some((tag) => (tag.any ? latest > 0 : !tag.weak && tag.value === String(latest)))
}
