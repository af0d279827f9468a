import type { Distribution } from './distribution.ts'

/** Labels of a sample; each name is one of its family's. */
export type Labels = Readonly<Record<string, string>>

/** One value of a family. */
export interface Sample {
  readonly labels?: Labels
  readonly value: number
}

/** One distribution of a family. */
export interface Spread {
  readonly labels?: Labels
  readonly of: Distribution
}

/** What every metric says of itself. */
interface Described {
  /** Begins with `dcm_`, ends with the unit, and a counter with `_total`. */
  readonly name: string
  /** One sentence: what is counted or measured. */
  readonly help: string
  /** Base units only (Prometheus, "metric and label naming"); absent: a number of what the name says. */
  readonly unit?: 'seconds' | 'bytes' | 'ratio'
  readonly labels?: readonly string[]
}

/** A metric whose samples are read when somebody asks; none where there is nothing to say. */
export interface Values extends Described {
  readonly type: 'counter' | 'gauge'
  readonly read: () => readonly Sample[] | Promise<readonly Sample[]>
}

/** A histogram whose distributions are read when somebody asks. */
export interface Spreads extends Described {
  readonly type: 'histogram'
  readonly bounds: readonly number[]
  readonly read: () => readonly Spread[]
}

/** A metric: its name, what it means, and where its values are. */
export type Family = Values | Spreads

/** The samples of one value; none where there is no value. */
export const one = (value: number | null | undefined): readonly Sample[] => (value === null || value === undefined ? [] : [{ value }])

/** A sample for each entry of a record, under one label. */
export const each = (label: string, values: Readonly<Record<string, number>>): readonly Sample[] =>
  Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))

/**
 * Which of several states holds: 1 for it, 0 for the others.
 * @param states all there are
 */
export const stateSet = (label: string, states: readonly string[], current: string | null): readonly Sample[] =>
  states.map((state) => ({ labels: { [label]: state }, value: state === current ? 1 : 0 }))
