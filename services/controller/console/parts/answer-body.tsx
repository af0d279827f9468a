import type { HitResult } from '#lib/contract/hit.ts'
import { prettyJson } from './json-text.ts'
import { bytes } from './numbers.ts'
import { Empty, Scroll } from './pieces.tsx'

/** How much of a body is shown, in characters. */
const MAX_SHOWN = 64 * 1024

/** A text as it is read best, and what it is. */
function readable({ body = '', body_encoding, headers, truncated }: HitResult): { readonly text: string; readonly kind: string } {
  const type = headers?.['content-type'] ?? 'no type named'
  if (body_encoding === 'base64') return { text: body, kind: `${type}, bytes in base64` }
  if (truncated) return { text: body, kind: type }
  try {
    return { text: prettyJson(JSON.parse(body)), kind: `${type}, JSON` }
  } catch {
    return { text: body, kind: type }
  }
}

/** The body of an answer, with what it is and how much of it there is. */
export const AnswerBody = ({ result }: { readonly result: HitResult }) => {
  if (result.body === undefined || result.body === '') return <Empty>The answer had no body.</Empty>
  const { text, kind } = readable(result)
  return (
    <>
      <p>
        {kind}
        {result.size_bytes === undefined ? '' : `, ${bytes(result.size_bytes)}`}
        {result.truncated ? ', of which the beginning was kept' : ''}
        {text.length > MAX_SHOWN ? `, the first ${bytes(MAX_SHOWN)} shown` : ''}
      </p>
      <Scroll label="The body of the answer">
        <pre class="data">{text.slice(0, MAX_SHOWN)}</pre>
      </Scroll>
    </>
  )
}
