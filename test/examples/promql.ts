import { parser } from '@prometheus-io/lezer-promql'

/** A metric of an expression, with the labels that it is filtered by. */
export interface Selector {
  readonly metric: string
  readonly labels: readonly string[]
}

/** What an expression says: the metrics it reads, and the labels it groups and joins by. */
export interface Expression {
  readonly selectors: readonly Selector[]
  readonly grouping: readonly string[]
}

/** Grafana's variables stand for what is put in their place. */
const withoutVariables = (text: string): string => text.replaceAll('$__rate_interval', '5m')

/**
 * Reads a PromQL expression, by the grammar that Prometheus' own editor has.
 * @throws Error that names where it is no PromQL
 */
export function readExpression(given: string): Expression {
  const text = withoutVariables(given)
  const selectors: { metric: string; labels: string[] }[] = []
  const grouping: string[] = []
  let inGrouping = false
  parser.parse(text).iterate({
    enter: ({ name, type, from, to }) => {
      const said = text.slice(from, to)
      if (type.isError) throw new Error(`${JSON.stringify(text)} is no PromQL, at ${from}: ${JSON.stringify(text.slice(from, from + 20))}`)
      if (name === 'GroupingLabels') inGrouping = true
      if (name === 'LabelName') (inGrouping ? grouping : (selectors.at(-1)?.labels ?? [])).push(said)
      // Of a selector the name comes before its matchers.
      if (name === 'VectorSelector') selectors.push({ metric: /^[a-zA-Z_:][\w:]*/.exec(said)?.[0] ?? '', labels: [] })
    },
    leave: ({ name }) => {
      if (name === 'GroupingLabels') inGrouping = false
    },
  })
  return { selectors, grouping }
}
