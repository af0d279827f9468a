// Publishes a config: npm run publish-config -- config.json   (or - for standard input; the data object alone is enough)
import { readFileSync } from 'node:fs'
import { ConfigDataSchema, PublishRequestSchema } from '#lib/contract/config.ts'
import { createControllerClient } from '#services/controller/client.ts'

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error('Usage: npm run publish-config -- FILE    FILE holds {"data": {…}} or the data object itself; - reads standard input')
  process.exit(64)
}

const content: unknown = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'))
const whole = PublishRequestSchema.safeParse(content)
const request = whole.success ? whole.data : { data: ConfigDataSchema.parse(content) }

const controller = createControllerClient(process.env.CONTROLLER_URL ?? 'http://localhost:6001', { apiKey: process.env.API_KEY ?? 'default-api-key' })
const answer = await controller.config.$post({ json: request, header: {} })
const body = await answer.json()
if (!body.success) {
  console.error(`${body.error.code}: ${body.message}`)
  process.exit(1)
}
console.log(`published version ${body.data.version}`)
