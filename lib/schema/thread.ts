import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { Progress, READY, type SchemaAnswer, type SchemaQuestion } from './check.ts'
import { type Compiled, compileSchema } from './rules.ts'

/** After how much work what is answered so far is handed on, in ms. */
const HAND_ON_MS = 5

/** What was compiled last: a schema stays in force for many publishes. */
let compiled: Compiled | undefined

function answerTo({ id, schema, data }: SchemaQuestion): SchemaAnswer {
  if (schema !== undefined) compiled = compileSchema(JSON.parse(schema))
  if (compiled === undefined) throw new Error('no schema was sent')
  if (compiled.kind === 'invalid') return { id, schemaProblems: compiled.problems, violations: [] }
  return { id, schemaProblems: [], violations: data === undefined ? [] : compiled.check(JSON.parse(data)) }
}

/** Answers questions, all together where they are quick. */
function answerAll(questions: readonly SchemaQuestion[], progress: Progress, tell: (answers: readonly SchemaAnswer[]) => void): void {
  let answers: SchemaAnswer[] = []
  let toldAt = performance.now()
  for (const question of questions) {
    progress.begin(question.id)
    answers.push(answerTo(question))
    if (performance.now() - toldAt < HAND_ON_MS) continue
    tell(answers)
    answers = []
    toldAt = performance.now()
  }
  progress.begin(0)
  if (answers.length > 0) tell(answers)
}

if (!isMainThread) {
  const progress = new Progress(workerData)
  parentPort?.on('message', (questions: readonly SchemaQuestion[]) => answerAll(questions, progress, (answers) => parentPort?.postMessage(answers)))
  parentPort?.postMessage(READY)
}
