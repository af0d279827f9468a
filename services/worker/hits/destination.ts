import type { HitErrorClass } from '#lib/contract/hit.ts'
import type { Destination as ShownDestination } from '#lib/contract/hits.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Circuit, type CircuitChange } from './circuit.ts'
import { Pace } from './pace.ts'
import { WaitingLine } from './waiting-line.ts'

/** Hits come back after this share of the time that the destination is thought to need for those before them. */
const EARLY = 0.7

/** An attempt that is over within this, in ms, holds no slot from others, whatever it came to. */
const QUICK_MS = 50

/** What an attempt told of its destination: an answer, none, or nothing (it was stopped, or never went there). */
export type Verdict = 'answered' | 'nothing' | HitErrorClass

/** One attempt that was let through. */
export interface Begun {
  /** Monotonic ms. */
  readonly at: number
  readonly probe: boolean
}

/** A hit that waits in its slot of the worker; `settle` tells it how that ends. */
export interface Parked {
  settle(begun: Begun | undefined): void
}

/** How a destination stands: an origin, the attempts on it, and the hits that wait for it. Decides, and keeps no time itself: `now` is monotonic ms. */
export class Destination {
  readonly origin: string
  readonly circuit: Circuit
  /** Hits that wait in their slots, first come first. */
  readonly parked: Parked[] = []
  /** When a hit of it was last seen. */
  seen = 0
  /** Whether it has ever answered. */
  proven = false
  readonly #pace = new Pace()
  readonly #line: WaitingLine
  /** Attempts that it may have, at most; `#limit` of them for now. */
  readonly #most: number
  #limit: number
  #probing = false

  /** @param limit how many attempts it may have before its first answer */
  constructor(origin: string, clock: Pick<Clock, 'random'>, { most, limit }: { readonly most: number; readonly limit: number }) {
    this.origin = origin
    this.circuit = new Circuit(clock)
    this.#line = new WaitingLine(clock)
    this.#most = most
    this.#limit = limit
  }

  /** Begins an attempt, where it may. */
  begin(now: number): Begun | undefined {
    const state = this.circuit.state(now)
    if (state === 'open' || (state === 'half_open' ? this.#probing : this.#pace.active >= this.#limit)) return undefined
    const probe = state === 'half_open'
    if (probe) this.#probing = true
    this.#pace.began(now)
    return { at: now, probe }
  }

  /** Takes the end of an attempt. */
  ended(begun: Begun, verdict: Verdict, now: number, limitAfterOutage: number): CircuitChange {
    if (begun.probe) this.#probing = false
    if (verdict === 'answered') this.proven = true
    const change = this.#judge(begun, verdict, now)
    if (change === 'closed') {
      this.#pace.restart()
      this.#limit = limitAfterOutage
    } else if (verdict === 'answered' || now - begun.at < QUICK_MS) this.#limit = Math.min(this.#most, this.#limit + 1)
    this.#pace.ended(begun.at, now, verdict !== 'nothing')
    return change
  }

  #judge(begun: Begun, verdict: Verdict, now: number): CircuitChange {
    if (verdict === 'nothing') return undefined
    return verdict === 'answered' ? this.circuit.answered() : this.circuit.failed({ error_class: verdict, began: begun.at }, now)
  }

  /**
   * Whether a hit in this place would wait for longer than `patience` ms: by how long attempts take, and by how long no
   * slot has come free.
   * @param place from 1
   */
  isLong(place: number, patience: number, now: number): boolean {
    if (this.circuit.state(now) === 'open') return true
    return place * Math.max(this.#pace.duration(now) / this.#limit, this.#pace.quiet(now)) >= patience
  }

  /**
   * When a hit that is given back is to come again, in ms from now: a little early rather than late, so that no place stays free.
   * @param sparing whether others need the slots
   */
  delay(now: number, sparing: boolean): number {
    return this.#line.delay(now, this.circuit.reopensAt ?? now, (EARLY * this.#pace.duration(now)) / this.#most, sparing)
  }

  /** Whether it can be forgotten: nothing runs or waits. */
  get idle(): boolean {
    return this.#pace.active === 0 && this.parked.length === 0
  }

  /** As `GET /hits/stats` shows it. @param wall ms since the epoch, at the same moment */
  shown(now: number, wall: number): ShownDestination {
    const circuit = this.circuit.state(now)
    const { reopensAt } = this.circuit
    return {
      origin: this.origin,
      active: this.#pace.active,
      waiting: this.parked.length,
      circuit,
      ...(circuit === 'open' && reopensAt !== undefined ? { reopens_at: new Date(wall + reopensAt - now).toISOString() } : {}),
    }
  }
}
