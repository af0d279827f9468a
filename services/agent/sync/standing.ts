import type { ReceivedConfig } from '#lib/contract/config.ts'

/** What a config is to one that is held already; `back` is what only a restored controller, or a relay that lags, would say. */
export type Standing = 'first' | 'newer' | 'same' | 'back'

/** Orders a received config against the held one: by version, never by a clock. */
export function standing(received: ReceivedConfig, held: ReceivedConfig | undefined): Standing {
  if (!held) return 'first'
  if (received.version > held.version) return 'newer'
  if (received.version < held.version) return 'back'
  // A Go controller may name no id: then the version has to do.
  return received.id !== undefined && held.id !== undefined && received.id !== held.id ? 'back' : 'same'
}
