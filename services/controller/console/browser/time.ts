/** A moment in the reader's zone, and its exact value on hover. */
const shown = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const exact = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'full',
  timeStyle: 'long',
})

/** `<dcm-time datetime="…">` around a `<time>` in UTC, which stays where there are no scripts. */
export class TimeElement extends HTMLElement {
  static readonly observedAttributes = ['datetime']

  connectedCallback(): void {
    this.#show()
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#show()
  }

  #show(): void {
    const text = this.getAttribute('datetime') ?? ''
    const at = new Date(text)
    if (Number.isNaN(at.getTime())) return
    const time = this.querySelector('time') ?? this.appendChild(document.createElement('time'))
    time.dateTime = text
    time.title = `${exact.format(at)} · ${text}`
    time.textContent = shown.format(at)
  }
}
