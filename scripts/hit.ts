// Hits the configured URL and prints the result: npm run hit [-- SECONDS_TO_WAIT]
import { createWorkerClient } from '#services/worker/client.ts'
import { addressOf, fail, reach } from './cli.ts'

const [wait = '10'] = process.argv.slice(2)
if (!/^\d+$/.test(wait)) fail('Usage: npm run hit -- [SECONDS]    waits up to SECONDS (10) for the result', wait === '--help' ? 0 : 64)
const address = addressOf(process.env.WORKER_URL, process.env.WORKER_PORT, 6002)
const worker = createWorkerClient(address, { apiKey: process.env.WORKER_API_KEY || undefined })
const answer = await reach(address, () => worker.hit.$get({ query: { wait }, header: {} }))
const body = await answer.json()
if (!body.success) fail(`${body.error.code}: ${body.message}`, 1)
console.log(JSON.stringify(body.data, null, 2))
