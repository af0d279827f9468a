/** An event of a stream as a reader sees it; a comment has only its text. */
export interface SeenEvent {
  readonly id?: string
  readonly event?: string
  readonly data?: string
  readonly comment?: string
}

/** Reads Server-Sent Events from an answer, one after the other; ends with the stream. */
export async function* readEvents(answer: Response): AsyncGenerator<SeenEvent> {
  if (answer.body === null) throw new Error('the answer has no body')
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end)
      text = text.slice(end + 2)
      if (block.startsWith(':')) yield { comment: block.slice(1) }
      else yield Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
    }
  }
}
