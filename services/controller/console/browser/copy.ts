/** A button with `data-copy="ID"` copies the text of that element, and says so. */
export function copyByButton(): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-copy]') : null
    const source = button && document.getElementById(button.dataset.copy ?? '')
    if (!button || !source) return
    void copyText(source).then((copied) => {
      const said = button.textContent
      button.textContent = copied ? 'Copied' : 'Copy it by hand'
      setTimeout(() => {
        button.textContent = said
      }, 2000)
    })
  })
}

/** Copies an element's text. The clipboard is there only under TLS and on this machine: elsewhere the text is marked. */
async function copyText(source: HTMLElement): Promise<boolean> {
  const text = source instanceof HTMLInputElement ? source.value : (source.textContent ?? '')
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const range = document.createRange()
    range.selectNodeContents(source)
    const selection = getSelection()
    selection?.removeAllRanges()
    selection?.addRange(range)
    return false
  }
}
