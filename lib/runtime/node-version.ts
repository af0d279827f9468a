/** The Node.js that the native parts need: below it better-sqlite3 does not fail, it crashes the process. */
const WANTED = [22, 19] as const

/** What is wrong with this Node.js, or undefined; asked before anything native is loaded. */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])) return undefined
  return `Cannot start: this is Node.js ${version}, and ${WANTED.join('.')} or later is needed. Start it by npm (npm start), which brings the right one, or install Node.js 24`
}
