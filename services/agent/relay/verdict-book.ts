import { may } from '#lib/http/caller.ts'
import { Alarm } from '#lib/runtime/alarm.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { KnownKeys } from './known-keys.ts'
import { type KnownCaller, Verdict } from './verdict.ts'

/** How many keys are remembered that were accepted: whoever has none makes no entry here. */
const MAX_ACCEPTED = 20_000
/** How many that were refused: a flood of wrong ones must not fill the memory. */
const MAX_REFUSED = 1024
/** For how long it is remembered that a key has ended, in ms: longer than any check that was under way then. */
const ENDED_KEPT_MS = 60_000

/** What a verdict book stands on. */
export interface VerdictBookOptions {
  readonly known: KnownKeys
  /** Told the id of each key that was accepted and is no longer. */
  readonly onEnded: (id: string) => void
  readonly clock: Pick<Clock, 'monotonic' | 'now'>
}

/** What a relay knows of keys, by their salted digests: those that were accepted, with whose they are, and those that were refused. */
export class VerdictBook {
  readonly #options: VerdictBookOptions
  /** Asked about longest ago first. */
  readonly #accepted = new Map<string, Verdict>()
  readonly #byId = new Map<string, Verdict>()
  /** When they were refused. */
  readonly #refused = new Map<string, number>()
  /** Ids of keys that have ended lately: when, and as the how-manieth. */
  readonly #ended = new Map<string, { readonly at: number; readonly count: number }>()
  #endings = 0
  readonly #nextExpiry: Alarm
  #alarmAt = Number.POSITIVE_INFINITY

  constructor(options: VerdictBookOptions) {
    this.#options = options
    this.#nextExpiry = new Alarm(options.clock, () => this.#endExpired())
    // Known from an earlier start: honoured while the controller is away, and asked about as soon as it is not.
    for (const { digest, ...caller } of options.known.load()) this.#add(new Verdict(digest, caller, undefined, Number.NEGATIVE_INFINITY))
    this.#endExpired()
  }

  /** The verdict on a key that was accepted, however long ago that was. */
  accepted(digest: string): Verdict | undefined {
    const verdict = this.#accepted.get(digest)
    if (verdict !== undefined && verdict.expiresAt <= this.#options.clock.now()) this.#expire(verdict)
    return verdict?.over ? undefined : verdict
  }

  /** When a key was refused; undefined where it was not. */
  refusedAt(digest: string): number | undefined {
    return this.#refused.get(digest)
  }

  /** The verdict by the id of its key. */
  byId(id: string): Verdict | undefined {
    return this.#byId.get(id)
  }

  /** How many keys were heard to have ended so far: a moment that {@link endedSince} takes. */
  get endings(): number {
    return this.#endings
  }

  /** Whether the key of an id was heard to have ended after a moment. */
  endedSince(id: string, endings: number): boolean {
    return (this.#ended.get(id)?.count ?? 0) > endings
  }

  /** Whether a key of this name is known that may register agents. */
  ownsAgents(name: string): boolean {
    const now = this.#options.clock.now()
    for (const verdict of this.#accepted.values()) if (verdict.name === name && verdict.expiresAt > now && may(verdict, 'register')) return true
    return false
  }

  /**
   * Notes that a key was accepted.
   * @param askedAt when the controller was asked, by the monotonic clock
   */
  accept(digest: string, caller: KnownCaller, key: string, askedAt: number): Verdict {
    this.#refused.delete(digest)
    const before = this.#accepted.get(digest)
    if (before?.is(caller)) {
      // Behind the others again: it is the one that was asked about last.
      this.#accepted.delete(digest)
      this.#accepted.set(digest, before)
      Object.assign(before, { expiresAt: caller.expiresAt, askedAt, key })
      this.#watchExpiry(before)
      return before
    }
    // Another key in its place, as where the controller says whose it is for the first time: what the old one holds begins anew.
    if (before) this.#forget(before)
    const verdict = new Verdict(digest, caller, key, askedAt)
    this.#add(verdict)
    const [oldest] = this.#accepted.values()
    if (oldest !== undefined && this.#accepted.size > MAX_ACCEPTED) this.#forget(oldest)
    this.#save()
    return verdict
  }

  /** Notes that a key was refused. */
  refuse(digest: string): void {
    this.#refuse(digest)
    const before = this.#accepted.get(digest)
    if (before) this.end(before.id)
  }

  /** Notes that the key of an id is accepted no longer; whoever presents it again is asked about. */
  end(id: string): void {
    const now = this.#options.clock.monotonic()
    for (const [one, { at }] of this.#ended) if (now - at > ENDED_KEPT_MS) this.#ended.delete(one)
    this.#ended.set(id, { at: now, count: ++this.#endings })
    const verdict = this.#byId.get(id)
    if (verdict) {
      this.#forget(verdict)
      this.#save()
    } else this.#options.onEnded(id)
  }

  #add(verdict: Verdict): void {
    this.#accepted.set(verdict.digest, verdict)
    this.#byId.set(verdict.id, verdict)
    this.#watchExpiry(verdict)
  }

  #forget(verdict: Verdict): void {
    verdict.over = true
    this.#accepted.delete(verdict.digest)
    if (this.#byId.get(verdict.id) === verdict) this.#byId.delete(verdict.id)
    this.#options.onEnded(verdict.id)
  }

  /** Its time is over, and for that nobody need be asked. */
  #expire(verdict: Verdict): void {
    this.#refuse(verdict.digest)
    this.end(verdict.id)
  }

  #refuse(digest: string): void {
    this.#refused.delete(digest)
    this.#refused.set(digest, this.#options.clock.monotonic())
    const [oldest] = this.#refused.keys()
    if (oldest !== undefined && this.#refused.size > MAX_REFUSED) this.#refused.delete(oldest)
  }

  #save(): void {
    this.#options.known.save(() =>
      [...this.#accepted.values()].map(({ digest, id, name, role, expiresAt, named }) => ({ digest, id, name, role, expiresAt, named })),
    )
  }

  #watchExpiry({ expiresAt }: Verdict): void {
    if (expiresAt >= this.#alarmAt) return
    this.#alarmAt = expiresAt
    this.#nextExpiry.set(expiresAt)
  }

  #endExpired(): void {
    const now = this.#options.clock.now()
    this.#alarmAt = Number.POSITIVE_INFINITY
    for (const verdict of [...this.#accepted.values()]) {
      if (verdict.expiresAt <= now) this.#expire(verdict)
      else this.#watchExpiry(verdict)
    }
  }
}
