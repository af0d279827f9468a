import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { safe } from '../output/safe.ts'
import type { Converged } from './wait.ts'

const more = (all: number, named: readonly unknown[]): string => (all > named.length ? ` and ${all - named.length} more` : '')

const timeText = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`)

const agentsText = (count: number): string => (count === 1 ? '1 online agent' : `${count} online agents`)

/** What of an end is said in one line. */
function lineOf({ outcome, applied, reporting, failed, latest_version, took_ms, converged_in_ms, away }: Converged): string {
  const took = timeText(outcome === 'converged' ? (converged_in_ms ?? took_ms) : took_ms)
  switch (outcome) {
    case 'converged':
      return `converged: applied by ${reporting === 1 ? 'the one online agent' : `all ${reporting} online agents`} that can report, after ${took}`
    case 'failed':
      return `not converged: ${applied} of ${agentsText(reporting)} applied it, ${failed} failed; dcm rollback goes back`
    case 'superseded':
      return `a newer version, ${latest_version}, was published meanwhile: the fleet is to run that one`
    case 'no_agents':
      return 'no agent that reports is online: nobody can say that it has applied it'
    case 'timeout':
      return away === undefined
        ? `not converged within ${took}: ${applied} of ${agentsText(reporting)} applied it; dcm status shows who is missing`
        : `not known whether it converged: ${safe(away)}`
    case 'interrupted':
      return 'interrupted: it is published, and goes on to the fleet; dcm status shows how far it is'
  }
}

const exitFor: Readonly<Record<Converged['outcome'], number>> = {
  converged: exits.ok,
  failed: exits.failed,
  superseded: exits.timeout,
  no_agents: exits.timeout,
  timeout: exits.timeout,
  interrupted: exits.interrupted,
}

/** Says how it ended, and gives the exit code for it. */
export function tellConverged({ output, signal }: Context, converged: Converged): number {
  const { failed_agents, failed, not_reporting_agents, not_reporting, outcome } = converged
  const { red, green, yellow } = output.talkColours
  for (const { hostname, agent_id, error } of failed_agents)
    output.note(`${red('failed')} ${safe(hostname)} (${safe(agent_id)}): ${error ?? 'it does not say why'}`)
  if (failed > failed_agents.length && failed_agents.length > 0)
    output.note(`${red('failed')}${more(failed, failed_agents)}: dcm agents --state failed --online`)
  if (not_reporting_agents.length > 0) {
    const names = not_reporting_agents.map(({ hostname }) => safe(hostname)).join(', ')
    output.note(`${yellow('not reporting')}, and not counted: ${names}${more(not_reporting, not_reporting_agents)}`)
  }
  output.note((outcome === 'converged' ? green : outcome === 'failed' ? red : yellow)(lineOf(converged)))
  return outcome === 'interrupted' && signal.reason === exits.terminated ? exits.terminated : exitFor[outcome]
}
