import { traceLogFields } from './trace/context.ts'

/** What log lines about a config say: its version, and by which request, in which trace, it was published. */
export const configFields = ({
  version,
  request_id,
  traceparent,
}: {
  readonly version: number
  readonly request_id?: string | undefined
  readonly traceparent?: string | undefined
}) => ({ version, ...(request_id === undefined ? {} : { request_id }), ...traceLogFields(traceparent) })
