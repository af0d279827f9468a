// Publishes a config: npm run publish-config -- config.json   (or - for standard input; the data object alone is enough)
import { readFileSync } from 'node:fs'
import { ConfigDataSchema, PublishRequestSchema } from '#lib/contract/config.ts'
import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { addressOf, fail, reach } from './cli.ts'

/** What a file holds, or a line that says why it is no config. */
function readRequest(file: string) {
  let content: unknown
  try {
    // Strictly, as the controller reads: parsed loosely, what is published would not be what the file says.
    content = parseStrictJson(readFileSync(file === '-' ? 0 : file, 'utf8'))
  } catch (error) {
    if (error instanceof StrictJsonError) return fail(`Cannot publish ${file}: ${error.path}: ${error.message}`, 65)
    return fail(`Cannot publish ${file}: ${error instanceof Error ? error.message : String(error)}`, 66)
  }
  const whole = PublishRequestSchema.safeParse(content)
  if (whole.success) return whole.data
  const data = ConfigDataSchema.safeParse(content)
  if (data.success && !Object.hasOwn(data.data, 'data')) return { data: data.data }
  const { issues } = data.success ? whole.error : data.error
  return fail(`Cannot publish ${file}: ${issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`).join('; ')}`, 65)
}

const [file] = process.argv.slice(2)
if (file === undefined || file.startsWith('--')) {
  fail('Usage: npm run publish-config -- FILE    FILE holds {"data": {…}} or the data object itself; - reads standard input', file === '--help' ? 0 : 64)
}
const address = addressOf(process.env.CONTROLLER_URL, process.env.CONTROLLER_PORT, 6001)
const controller = createControllerClient(address, { apiKey: process.env.API_KEY || 'default-api-key' })
const request = readRequest(file)
const answer = await reach(address, () => controller.config.$post({ query: {}, json: request, header: {} }))
const body = await answer.json()
if (!body.success) fail(`${body.error.code}: ${body.message}`, 1)
if ('version' in body.data) console.log(`published version ${body.data.version}`)
