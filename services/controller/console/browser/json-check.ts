/** How long one types before it is looked at, in ms. */
const PAUSE_MS = 250

/** Says of the JSON in a text field, while it is typed, whether it is some, and where not. What counts is what the controller says. */
export function checkJson(): void {
  const field = document.querySelector<HTMLTextAreaElement>('textarea.code')
  const state = document.getElementById('json-state')
  if (field === null || state === null) return
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = () => {
    const problem = problemIn(field.value)
    state.textContent = problem ?? 'Valid JSON.'
    state.dataset.kind = problem === undefined ? 'right' : 'wrong'
  }
  field.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(look, PAUSE_MS)
  })
}

/** What is wrong with a text as a JSON object; undefined where nothing is. */
function problemIn(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'It must be an object: { … }.'
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const position = /at position (\d+)/.exec(message)?.[1]
    if (position === undefined || message.includes('line')) return `Not JSON: ${message}.`
    const before = text.slice(0, Number(position)).split('\n')
    return `Not JSON: ${message} (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}).`
  }
}
