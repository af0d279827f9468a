/** One thing that was looked at. */
export interface Finding {
  readonly what: string
  /** `note`: to know, and no fault. */
  readonly level: 'ok' | 'note' | 'problem'
  readonly found: string
  /** What to do about a problem. */
  readonly fix?: string
}

export const good = (what: string, found: string): Finding => ({ what, level: 'ok', found })
export const note = (what: string, found: string): Finding => ({ what, level: 'note', found })
export const problem = (what: string, found: string, fix: string): Finding => ({ what, level: 'problem', found, fix })
