// npm run docs: writes what of the documentation comes from code. With --check it only compares, and fails where
// a file differs, or where a document names a file that is not there.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cliPage } from './docs/cli.ts'
import { environmentTable } from './docs/environment.ts'
import { errorsPage } from './docs/errors.ts'
import { metricsPage } from './docs/metrics.ts'
import { rolesTable } from './docs/roles.ts'
import { routesTable } from './docs/routes.ts'

const root = join(import.meta.dirname, '..')
const check = process.argv.includes('--check')
const problems: string[] = []

/** Writes a file, or notes that it differs. */
function put(name: string, content: string): void {
  const path = join(root, name)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (before === content) return
  if (check) problems.push(`${name} differs from the code: run npm run docs`)
  else {
    writeFileSync(path, content)
    console.log(`wrote ${name}`)
  }
}

/** Replaces what lies between `<!-- name -->` and `<!-- /name -->`. */
function fill(file: string, parts: Readonly<Record<string, string>>): void {
  let text = readFileSync(join(root, file), 'utf8')
  for (const [name, content] of Object.entries(parts)) {
    const marker = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`)
    if (!marker.test(text)) problems.push(`${file} has no place for ${name}`)
    text = text.replace(marker, (_all, before: string, after: string) => `${before}${content}\n${after}`)
  }
  put(file, text)
}

/** Documents name files and scripts: each must be there. */
function checkNames(): void {
  const packageJson: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const documents = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) => name.endsWith('.md'))
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, path = ''] of text.matchAll(/`((?:services|lib|cli|scripts|test|bench|migrations|docs)\/[\w./-]*\w)`/g)) {
      if (!existsSync(join(root, path))) problems.push(`${document} names ${path}, which is not there`)
    }
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      if (!existsSync(join(root, document, '..', link))) problems.push(`${document} links to ${link}, which is not there`)
    }
    for (const [, script = ''] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
      if (!(script in packageJson.scripts)) problems.push(`${document} names npm run ${script}, which is not there`)
    }
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'dcm-docs-'))
try {
  put('docs/errors.md', errorsPage())
  put('docs/cli.md', cliPage())
  put('docs/metrics.md', await metricsPage(join(scratch, 'metrics')))
  const routes = await routesTable(join(scratch, 'routes'))
  const environment = environmentTable()
  fill('README.md', { routes, environment })
  fill('docs/configuration.md', { environment })
  fill('docs/keys.md', { roles: rolesTable() })
  checkNames()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
if (problems.length > 0) {
  for (const problem of problems) console.error(problem)
  process.exit(1)
}
