/** How long a URL may be in a message or a log line, in characters. */
const SHOWN_CHARACTERS = 200

/** A URL, read once: what is asked of it for every request. */
export interface Target {
  readonly url: URL
  readonly origin: string
  /** What stands in the request line: path and query. */
  readonly path: string
  /** As people and logs may see it: without its query, where secrets travel. */
  readonly shown: string
}

/** Reads a URL. */
export function targetOf(url: URL): Target {
  const shown = `${url.protocol}//${url.host}${url.pathname}`
  return {
    url,
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    shown: shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown,
  }
}

/** Reads a URL that came as a string, which may be none. */
export const readTarget = (text: string): Target | undefined => (URL.canParse(text) ? targetOf(new URL(text)) : undefined)

/** What is shown of a URL that cannot be read: nothing of it. */
export const UNREADABLE = 'a URL that cannot be read'

/** URLs that are remembered: most hits of a worker go to the one of its config. */
const REMEMBERED = 64

/** Reads URLs, the last ones once only. */
export function rememberTargets(): (text: string) => Target | undefined {
  const known = new Map<string, Target>()
  return (text) => {
    const seen = known.get(text)
    if (seen !== undefined) return seen
    const target = readTarget(text)
    if (target === undefined) return undefined
    if (known.size >= REMEMBERED) known.clear()
    known.set(text, target)
    return target
  }
}
