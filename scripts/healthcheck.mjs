// What Docker's HEALTHCHECK runs: 0 where the service of this container serves. The slim image has no curl.
import { get } from 'node:http'

const request = get({ host: '127.0.0.1', port: Number(process.env.SERVICE_PORT ?? 6001), path: '/health', timeout: 2500 }, (answer) => {
  answer.resume()
  process.exitCode = answer.statusCode === 200 ? 0 : 1
})
request.on('timeout', () => request.destroy(new Error('timeout')))
request.on('error', () => {
  process.exitCode = 1
})
