import type { Child } from 'hono/jsx'
import type { FleetState } from '#lib/contract/inventory.ts'

/** What a state is told by beside its colour: colour alone tells too few. */
const signs: Readonly<Record<string, string>> = {
  applied: '✓',
  completed: '✓',
  ok: '✓',
  failed: '✕',
  applying: '◐',
  pending: '◔',
  queued: '◔',
  registered: '○',
  offline: '–',
  open: '✕',
  half_open: '◐',
  warning: '!',
}

/** A state of an agent, a hit or a part: a word with a sign, and a colour for who sees it. */
export const State = ({ of, children }: { readonly of: FleetState | string; readonly children?: Child }) => (
  <span class={`state state-${of}`}>
    <span aria-hidden="true">{signs[of] ?? '•'}</span> {children ?? of.replaceAll('_', ' ')}
  </span>
)

/** One figure with what it is. */
export const Figure = ({ name, children, note }: { readonly name: string; readonly children?: Child; readonly note?: Child }) => (
  <div class="figure">
    <dt>{name}</dt>
    <dd>
      {children}
      {note === undefined || note === null ? null : <small>{note}</small>}
    </dd>
  </div>
)

/** What stands where there is nothing to show, and what to do about it. */
export const Empty = ({ children }: { readonly children?: Child }) => <p class="empty">{children}</p>

/** A share as a bar with its words beside it. */
export const Meter = ({
  label,
  value,
  max,
  kind = 'neutral',
}: {
  readonly label: string
  readonly value: number
  readonly max: number
  readonly kind?: string
}) => <progress class={`meter meter-${kind}`} value={value} max={Math.max(max, 1)} aria-label={label} />

/** What may be wider than the page: it scrolls by itself, by keys too. */
export const Scroll = ({ label, children }: { readonly label: string; readonly children?: Child }) => (
  // What scrolls must be reached by the keyboard (WCAG 2.1.1).
  <section class="scroll" tabindex={0} aria-label={label}>
    {children}
  </section>
)
