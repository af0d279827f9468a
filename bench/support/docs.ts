import { readFileSync, writeFileSync } from 'node:fs'
import { type Results, ResultsSchema } from './figures.ts'
import { markdownTable } from './table.ts'

const block = /<!-- figures -->[\s\S]*?<!-- \/figures -->/

/** The machine in one sentence. */
export const machineLine = ({ machine }: Results): string =>
  `${machine.cpu}, ${machine.cores} cores, ${machine.memory_gib} GiB; ${machine.os}; Node.js ${machine.node}; ${machine.redis === null ? 'no Redis' : `Redis ${machine.redis}, AOF everysec`}; files in ${machine.files}`

/**
 * Puts the recorded figures into the docs, between their marks.
 * @throws Error where there is no record, or the marks are missing
 */
export function writeDocs(recordPath: string, docsPath: string): void {
  const results = ResultsSchema.parse(JSON.parse(readFileSync(recordPath, 'utf8')))
  const docs = readFileSync(docsPath, 'utf8')
  if (!block.test(docs)) throw new Error(`Cannot write the figures: ${docsPath} has no <!-- figures --> … <!-- /figures -->`)
  const left = results.left_out.map((what) => `\n- Left out: ${what}.`).join('')
  const text = `<!-- figures -->\nMeasured ${results.at.slice(0, 10)} on ${machineLine(results)}.\n\n${markdownTable(results.figures)}\n${left}<!-- /figures -->`
  writeFileSync(
    docsPath,
    docs.replace(block, () => text),
  )
}
