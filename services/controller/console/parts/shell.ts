/** A text as one word of a POSIX shell. */
export const word = (text: string): string => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** What does the same as a view, for terminals and scripts. */
export interface Same {
  /** As `dcm status --watch`; several lines where it takes several. */
  readonly dcm: string
  /** Method, path and body of the request; absent: there is none. */
  readonly request?: {
    readonly method?: string
    readonly path: string
    readonly body?: string
    readonly headers?: readonly string[]
    readonly base?: 'CONTROLLER_URL' | 'WORKER_URL'
  }
}

/** The curl line of a request; the key and the address are the shell's. */
export function curlOf({ method = 'GET', path, body, headers = [], base = 'CONTROLLER_URL' }: NonNullable<Same['request']>): string {
  const key = base === 'CONTROLLER_URL' ? '-H "X-API-Key: $API_KEY"' : '-H "X-API-Key: $WORKER_API_KEY"'
  return [
    'curl',
    ...(method === 'GET' || (method === 'POST' && body !== undefined) ? [] : [`-X ${method}`]),
    key,
    ...headers.map((header) => `-H ${word(header)}`),
    ...(body === undefined ? [] : [`-H 'Content-Type: application/json' -d ${word(body)}`]),
    `"$${base}"${word(path)}`,
  ].join(' ')
}
