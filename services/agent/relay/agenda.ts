import type { Entry } from './entry.ts'
import { Later } from './later.ts'
import type { Members } from './members.ts'
import { Refresh } from './refresh.ts'

/** For how long a connection may be over, in ms, before that is news: a long poll is renewed at once. */
const LEAVING_MS = 2000
/** After how long a registration that the controller could not take is sent again, in ms. */
const AGAIN_MS = 10_000

/** What becomes news of agents by time alone; times are by the monotonic clock. */
export class Agenda {
  readonly #refresh: Refresh
  /** Whose last connection has ended. */
  readonly #leaving = new Later(LEAVING_MS)
  /** Whose registration was not taken. */
  readonly #again = new Later(AGAIN_MS)

  constructor(members: Members, now: number) {
    this.#refresh = new Refresh(members, now)
  }

  /** How many have just left. */
  get leaving(): number {
    return this.#leaving.size
  }

  /** Its last connection has ended. */
  leaves(entry: Entry, now: number): void {
    this.#leaving.add(entry, now)
  }

  /** It has come back. */
  stays(entry: Entry): void {
    this.#leaving.delete(entry)
  }

  /** All of it is to be told once more, in a while. */
  tellLater(entry: Entry, now: number): void {
    this.#again.add(entry, now)
  }

  forget(entry: Entry): void {
    this.#leaving.delete(entry)
    this.#again.delete(entry)
  }

  /** Of whom there is news now, by what has become of them. */
  take(now: number): Entry[] {
    const left = this.#leaving.take(now)
    // One that a relay below has taken over meanwhile is connected there.
    for (const entry of left) if (entry.relayId === undefined) entry.connected = false
    const again = this.#again.take(now)
    for (const entry of again) Object.assign(entry, { registrationUnsent: entry.registration !== undefined, reportUnsent: entry.report !== undefined })
    return [...left, ...again, ...this.#refresh.take(now)]
  }

  /** In how many ms to {@link take} again. */
  dueInMs(now: number): number {
    return Math.min(this.#leaving.dueInMs(now), this.#again.dueInMs(now), this.#refresh.dueInMs(now))
  }
}
