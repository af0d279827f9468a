import type { Context } from '../context.ts'
import type { Finding } from '../doctor/finding.ts'
import { hostFindings } from '../doctor/host.ts'
import { controllerKey, workerKey } from '../doctor/keys.ts'
import { redisFindings } from '../doctor/redis.ts'
import { isThere, servicesFindings } from '../doctor/services.ts'
import { exits } from '../exit.ts'
import { safe } from '../output/safe.ts'

function findingText({ output }: Context, { what, level, found, fix }: Finding, width: number): string {
  const { green, red, yellow, bold } = output.colours
  const mark = level === 'ok' ? green('ok     ') : level === 'note' ? yellow('note   ') : red('problem')
  const line = `${mark}  ${bold(what.padEnd(width))}  ${safe(found)}`
  return fix === undefined ? line : `${line}\n${' '.repeat(width + 11)}to mend it: ${safe(fix)}`
}

/** `dcm doctor`. */
export async function doctor(context: Context): Promise<number> {
  const { env, output } = context
  const [{ controller, agent, worker }, redis] = await Promise.all([servicesFindings(context), redisFindings(env)])
  const findings = [
    ...hostFindings(env),
    ...controller,
    ...(isThere(controller) ? [await controllerKey(context)] : []),
    ...agent,
    ...worker,
    ...(isThere(worker) ? [await workerKey(context)] : []),
    ...redis,
  ]
  const problems = findings.filter(({ level }) => level === 'problem').length
  const width = Math.max(...findings.map(({ what }) => what.length))
  output.result({ ok: problems === 0, problems, findings }, () => findings.map((finding) => findingText(context, finding, width)).join('\n'))
  output.note(problems === 0 ? 'all is well' : problems === 1 ? 'there is 1 problem' : `there are ${problems} problems`)
  return problems === 0 ? exits.ok : exits.found
}
