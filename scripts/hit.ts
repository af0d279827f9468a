// Hits the configured URL and prints the result: npm run hit [-- SECONDS_TO_WAIT]
import { createWorkerClient } from '#services/worker/client.ts'

const wait = process.argv[2] ?? '10'
const worker = createWorkerClient(process.env.WORKER_URL ?? 'http://localhost:6002', { apiKey: process.env.WORKER_API_KEY })
const answer = await worker.hit.$get({ query: { wait }, header: {} })
const body = await answer.json()
if (!body.success) {
  console.error(`${body.error.code}: ${body.message}`)
  process.exit(1)
}
console.log(JSON.stringify(body.data, null, 2))
