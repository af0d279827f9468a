/** A form with `data-once` is sent once: a second click, while the answer is on its way, is none. */
export function sendOnce(): void {
  const sent = new Set<HTMLFormElement>()
  document.addEventListener('submit', (event) => {
    const form = event.target
    if (!(form instanceof HTMLFormElement) || form.dataset.once === undefined) return
    if (sent.has(form)) event.preventDefault()
    else sent.add(form)
  })
  // Whoever comes back to the page by the browser's button may send it anew.
  addEventListener('pageshow', () => sent.clear())
}
