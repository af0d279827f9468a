import type { Below, Relay, RelayTree } from '#lib/contract/fleet-picture.ts'
import { MAX_HOPS } from './liveness.ts'

/** How many relays are shown. */
const MAX_RELAYS = 500

/** What is known of a relay itself. */
interface Known {
  readonly hostname: string
  readonly online: boolean
  readonly relayId: string | undefined
}

/** Nobody. */
export const nobodyBelow = (): Below => ({ applied: 0, failed: 0, applying: 0, pending: 0, offline: 0, registered: 0 })

function add(sum: Below, more: Below): void {
  sum.applied += more.applied
  sum.failed += more.failed
  sum.applying += more.applying
  sum.pending += more.pending
  sum.offline += more.offline
  sum.registered += more.registered
}

/**
 * The relays of a fleet as a tree, each after the one that it follows. What agents say of their relays may be a circle for a
 * moment, or for ever: one of it is then taken for the uppermost.
 * @param byRelay agents by the relay that they follow; undefined: the controller
 * @param known what is known of a relay; undefined where it is not in the inventory
 */
export function relayTree(byRelay: ReadonlyMap<string | undefined, Below>, known: (id: string) => Known | undefined): RelayTree {
  const children = new Map<string | undefined, string[]>()
  const relays = new Set([...byRelay.keys()].filter((id) => id !== undefined))
  for (const id of relays) {
    const above = known(id)?.relayId
    const beside = children.get(above)
    if (beside) beside.push(id)
    else children.set(above, [id])
  }
  const nameOf = (id: string): string => known(id)?.hostname ?? id
  const placed = new Set<string>()
  const shown: Relay[] = []

  /** Places a relay and those below it; gives all that is below it. Deep trees are bounded by what agents may follow. */
  const place = (id: string, depth: number, above: string | undefined): Below => {
    placed.add(id)
    const direct = byRelay.get(id) ?? nobodyBelow()
    const below = { ...direct }
    const self = known(id)
    const relay: Relay = {
      agent_id: id,
      hostname: self?.hostname ?? null,
      online: self?.online ?? false,
      ...(above === undefined ? {} : { relay_id: above }),
      depth,
      direct: { ...direct },
      below,
    }
    shown.push(relay)
    // What hangs deeper than agents may follow stands for itself: whoever reports may name chains without end.
    if (depth < MAX_HOPS) for (const child of sorted(children.get(id) ?? [])) if (!placed.has(child)) add(below, place(child, depth + 1, id))
    return below
  }
  const sorted = (some: readonly string[]): string[] => [...some].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))

  for (const id of sorted(children.get(undefined) ?? [])) place(id, 0, undefined)
  // What is left hangs on a relay that nobody follows any more, or on a circle.
  for (const id of sorted([...relays].filter((one) => !placed.has(one) && !relays.has(known(one)?.relayId ?? '')))) if (!placed.has(id)) place(id, 0, undefined)
  for (const id of sorted([...relays])) if (!placed.has(id)) place(id, 0, undefined)
  return { direct: { ...(byRelay.get(undefined) ?? nobodyBelow()) }, relays: shown.slice(0, MAX_RELAYS), more: Math.max(0, shown.length - MAX_RELAYS) }
}
