import { isMainThread, parentPort } from 'node:worker_threads'
import { READY, type SchemaAnswer, type SchemaQuestion } from './check.ts'
import { type Compiled, compileSchema } from './rules.ts'

/** What was compiled last: a schema stays in force for many publishes. */
let compiled: Compiled | undefined

function answerTo({ id, schema, data }: SchemaQuestion): SchemaAnswer {
  if (schema !== undefined) compiled = compileSchema(JSON.parse(schema))
  if (compiled === undefined) throw new Error('no schema was sent')
  if (compiled.kind === 'invalid') return { id, schemaProblems: compiled.problems, violations: [] }
  return { id, schemaProblems: [], violations: data === undefined ? [] : compiled.check(JSON.parse(data)) }
}

if (!isMainThread) {
  parentPort?.on('message', (question: SchemaQuestion) => parentPort?.postMessage(answerTo(question)))
  parentPort?.postMessage(READY)
}
