import { join } from 'node:path'
import { Child } from '../support/child.ts'
import { API_KEY, requestText } from '../support/http-text.ts'
import { configData, publishBody } from '../support/payloads.ts'
import { openInserts, runInserts, runLoad } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { startService } from '../support/service.ts'
import { interleave, summary } from '../support/stats.ts'

/** A schema as a fleet might have it. */
const schema = {
  type: 'object',
  required: ['url'],
  properties: { url: { type: 'string', format: 'uri', pattern: '^https?://' }, limits: { type: 'object', additionalProperties: { type: 'integer' } } },
}

async function setSchema(port: number): Promise<void> {
  const headers = { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}/config/schema`, { method: 'PUT', headers, body: JSON.stringify(schema) })
  if (answer.status !== 200) throw new Error(`the schema was answered ${answer.status}: ${await answer.text()}`)
}

/** `POST /config`: what is acknowledged is synced to the disk, by publishers at once and by one alone. */
export const publish: Scenario = {
  name: 'publish',
  async run(bench) {
    const rounds = bench.quick ? 3 : 5
    const ms = bench.quick ? 300 : 700
    const folder = bench.folder()
    await using controller = await startService('controller', { DATA_DIR: folder })
    const port = controller.port('controller')
    await using load = new Child('load')
    await using raw = new Child('raw-inserts')
    await raw.call(openInserts, { path: join(folder, 'raw.db'), row: 'config', json: JSON.stringify(configData) })

    const request = requestText('POST', '/config', { body: publishBody })
    let published = 0
    const ours =
      (connections: number, sent = request) =>
      async (): Promise<number> => {
        const answer = await load.call(runLoad, {
          port,
          request: sent,
          connections,
          until: { ms },
          expect: { status: 201, includes: '"version":' },
          versions: true,
        })
        published += answer.count
        if (answer.lastVersion !== published) throw new Error(`the last version is ${answer.lastVersion} after ${published} publishes`)
        return answer.count / answer.seconds
      }
    const baseline = async (): Promise<number> => {
      const { count, seconds } = await raw.call(runInserts, { ms })
      return count / seconds
    }
    const against = 'raw inserts, one commit each'
    await interleave(1, ours(64), baseline)
    const many = summary(await interleave(rounds, ours(64), baseline))
    const alone = summary(await interleave(rounds, ours(1), baseline))
    await setSchema(port)
    const careful = ours(64, requestText('POST', '/config', { body: publishBody, headers: { 'Idempotency-Key': 'bench-@@@@@@@@@@' } }))
    await interleave(1, careful, baseline)
    const safe = summary(await interleave(rounds, careful, baseline))
    return [
      { name: 'POST /config, 64 publishers', unit: '/s', ...many, against, bound: { kind: 'at least', of: 'ratio', value: 0.7 } },
      { name: 'POST /config, 1 publisher', unit: '/s', ...alone, against },
      {
        name: 'POST /config with schema, audit and Idempotency-Key, 64 publishers',
        unit: '/s',
        ...safe,
        against,
        bound: { kind: 'at least', of: 'ratio', value: 0.6 },
      },
    ]
  },
}
