/** How long a broken connection is not spoken of, in ms: most are back at once. */
const PATIENCE_MS = 1500

/** What htmx's events for streams tell. */
interface StreamEvent {
  readonly status?: number
  readonly reason?: string
}

/** Says on the page when it is not kept up to date any more, and when it is again. */
export function watchConnection(): void {
  const line = document.getElementById('connection')
  if (line === null) return
  let lost: ReturnType<typeof setTimeout> | undefined

  const say = (text: string, kind: 'lost' | 'back' | 'over') => {
    line.textContent = text
    line.dataset.kind = kind
    line.hidden = false
  }
  const isLost = () => {
    lost ??= setTimeout(() => say('Connection lost: what you see may be old. Reconnecting…', 'lost'), PATIENCE_MS)
  }
  const isBack = () => {
    clearTimeout(lost)
    lost = undefined
    if (line.hidden || line.dataset.kind === 'over') return
    say('Connected again.', 'back')
    setTimeout(() => {
      if (line.dataset.kind === 'back') line.hidden = true
    }, 3000)
  }
  const isOver = () => {
    clearTimeout(lost)
    say('Your session is over. ', 'over')
    const link = document.createElement('a')
    link.href = `/console/login?next=${encodeURIComponent(location.pathname + location.search)}`
    link.textContent = 'Log in again'
    line.append(link)
  }

  document.addEventListener('htmx:sse:after:connection', isBack)
  document.addEventListener('htmx:sse:after:message', () => {
    document.documentElement.dataset.live = 'shown'
  })
  document.addEventListener('htmx:sse:error', (event) => {
    const { status } = (event as CustomEvent<StreamEvent>).detail
    if (status === 401) isOver()
    else isLost()
  })
  // A controller that stops ends its streams in good order: only a try to come back fails.
  document.addEventListener('htmx:sse:before:connection', isLost)
  document.addEventListener('session-over', isOver)
}
