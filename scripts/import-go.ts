// Takes versions and agents of a Go system's database over: npm run import-go -- OLD.db NEW.db
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { importGoDatabase } from '#lib/store/sqlite/import-go.ts'

const [from, to] = process.argv.slice(2)
if (from === undefined || to === undefined) {
  console.error('Usage: npm run import-go -- OLD.db NEW.db    OLD.db is only read, NEW.db must not exist')
  process.exit(64)
}
try {
  const outcome = importGoDatabase({ from, to, migrations: migrationsFolder() })
  if (outcome.kind === 'refused') {
    console.error(`Nothing was imported, since this does not fit:\n${outcome.problems.map((problem) => `  ${problem}`).join('\n')}`)
    process.exit(65)
  }
  console.log(`imported ${outcome.versions} versions and ${outcome.agents} agents into ${to}; start the controller with CONTROLLER_DB_PATH=${to}`)
} catch (error) {
  console.error(`Cannot import: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(66)
}
