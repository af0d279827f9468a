import { errorTable } from '#lib/contract/errors.ts'

/** docs/errors.md: a section a code. */
export function errorsPage(): string {
  const sections = Object.entries(errorTable).map(([code, { status, what, fix }]) => `## ${code}\n\nHTTP ${status}. ${what}\n\n**What to do:** ${fix}\n`)
  return `# Error codes

Every error is an envelope with one of these codes in \`error.code\`; the list is closed, and a code never changes
its meaning. \`error.docs\` links to the same text on the service itself, at \`/docs/errors\`. Made from
\`lib/contract/errors.ts\` by \`npm run docs\`.

${sections.join('\n')}`
}
