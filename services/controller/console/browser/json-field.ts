import { checkJson } from '../json/check.ts'

/** How long after the last key a text is checked, in ms. */
const PAUSE_MS = 250

/**
 * A text field with `data-json="KEY"` says while one types whether its text is JSON that the API would take below that key,
 * and where it is not. `data-said="ID"` names the element that says it.
 */
export function checkJsonFields(): void {
  for (const field of document.querySelectorAll<HTMLTextAreaElement>('textarea[data-json]')) {
    const said = document.getElementById(field.dataset.said ?? '')
    if (said === null) continue
    let last: string | undefined
    const say = () => {
      if (field.value === last) return
      last = field.value
      const checked = checkJson(field.value, field.dataset.json || undefined)
      const isGood = 'value' in checked
      said.textContent = isGood ? '✓ valid JSON' : `✕ ${checked.line === undefined ? `${checked.path}: ` : ''}${checked.message}`
      said.dataset.good = String(isGood)
      if (isGood) field.removeAttribute('aria-invalid')
      else field.setAttribute('aria-invalid', 'true')
      const place = isGood || checked.line === undefined ? undefined : placeOf(field.value, checked.line, checked.column ?? 1)
      if (place === undefined) return
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'small secondary'
      button.textContent = 'Go there'
      button.addEventListener('click', () => {
        field.focus()
        field.setSelectionRange(place, Math.min(place + 1, field.value.length))
      })
      said.append(' ', button)
    }
    let pause: ReturnType<typeof setTimeout> | undefined
    field.addEventListener('input', () => {
      clearTimeout(pause)
      pause = setTimeout(say, PAUSE_MS)
    })
    say()
  }
}

/** Where a line and a column are in a text. */
function placeOf(text: string, line: number, column: number): number {
  let at = 0
  for (let i = 1; i < line; i++) at = text.indexOf('\n', at) + 1
  return at + column - 1
}
