/** Reads headers by their names in lower case. */
interface HeaderReader {
  get(name: string): string | null
}

/** Which trace something belongs to, as it travels: W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  /** Version 00: 55 characters. */
  readonly traceparent: string
  /** What other systems pass on beside it; as it came. */
  readonly tracestate?: string
}

/** Section 3.2.2: a version that is not ff, a trace id and a parent id that are not all zero, flags; all lower-case hex. */
const pattern = /^(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** The fields of a traceparent. */
export interface TraceFields {
  readonly traceId: string
  readonly parentId: string
  /** One byte, hex; its lowest bit says that the caller may have recorded it. */
  readonly flags: string
}

/**
 * Reads a traceparent. Version 00 has exactly these fields; of a later version they are read, and what follows is not
 * (section 4.3). Undefined for what is malformed, which is as good as absent.
 */
export function fieldsOf(traceparent: string): TraceFields | undefined {
  const [, version, traceId, parentId, flags, more] = pattern.exec(traceparent) ?? []
  if (traceId === undefined || parentId === undefined || flags === undefined) return undefined
  return version === '00' && more !== undefined ? undefined : { traceId, parentId, flags }
}

/** A traceparent of version 00: what is passed on, whatever version came (section 4.3). */
export const traceparentOf = ({ traceId, parentId, flags }: TraceFields): string => `00-${traceId}-${parentId}-${flags}`

/** Section 3.3.1.1: how many list-members and characters are passed on; more than the 512 characters that must be are not. */
const MAX_MEMBERS = 32
const MAX_STATE = 512
/** Section 3.3.1.3: `key=value` with `key` or `tenant@system`, and a value of printable ASCII without comma and equals sign. */
const member =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** A tracestate that can be passed on; undefined for one that is malformed, too long, or empty: it is left out then, and the trace goes on. */
function stateOf(header: string | null): string | undefined {
  if (header === null || header.length > MAX_STATE) return undefined
  const members = header.split(',').flatMap((text) => text.trim() || [])
  const keys = new Set(members.map((text) => text.slice(0, text.indexOf('='))))
  const good = members.length > 0 && members.length <= MAX_MEMBERS && keys.size === members.length && members.every((text) => member.test(text))
  return good ? members.join(',') : undefined
}

/**
 * The trace that stored or received fields name.
 * @param traceparent of a config, a job or a header
 */
export function traceContextOf(traceparent: string | null | undefined, tracestate: string | null | undefined = null): TraceContext | undefined {
  const fields = traceparent ? fieldsOf(traceparent) : undefined
  if (fields === undefined) return undefined
  const state = stateOf(tracestate ?? null)
  return { traceparent: traceparentOf(fields), ...(state === undefined ? {} : { tracestate: state }) }
}

/** The trace that a request belongs to; undefined where it names none. */
export const traceOfRequest = (headers: HeaderReader): TraceContext | undefined => {
  const traceparent = headers.get('traceparent')
  return traceparent === null ? undefined : traceContextOf(traceparent, headers.get('tracestate'))
}

/** The headers by which a trace is passed on. */
export const traceHeaders = (trace: TraceContext | undefined): Readonly<Record<string, string>> =>
  trace === undefined ? {} : { traceparent: trace.traceparent, ...(trace.tracestate === undefined ? {} : { tracestate: trace.tracestate }) }

/** What a log line says of a trace, so that the two are found by each other. */
export const traceLogFields = (traceparent: string | undefined): { readonly trace_id?: string } => {
  const traceId = traceparent === undefined ? undefined : fieldsOf(traceparent)?.traceId
  return traceId === undefined ? {} : { trace_id: traceId }
}
