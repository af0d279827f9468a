import type { Command } from 'commander'
import { exitTable } from '#cli/exit.ts'
import { createProgram, pathOf, withSubcommands } from '#cli/program/program.ts'

/** As wide as the lines of the other documents. */
const WIDTH = 120

/** What `--help` prints. */
function helpOf(command: Command): string {
  let text = ''
  command.configureHelp({ helpWidth: WIDTH })
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => WIDTH, getOutHasColors: () => false })
  command.outputHelp()
  return text.trimEnd()
}

const exitRows = (): string =>
  Object.values(exitTable)
    .map(([number, what]) => `| ${number} | ${what} |`)
    .join('\n')

/** docs/cli.md: what stands before the commands, and what each says of itself. */
export function cliPage(): string {
  const [program, ...commands] = withSubcommands(createProgram(async () => {}))
  if (program === undefined) throw new Error('Cannot write docs/cli.md: there is no command')
  // A group that only holds others is described by them.
  const sections = commands.map((command) => `### ${pathOf(command)}\n\n\`\`\`\n${helpOf(command)}\n\`\`\``)
  return `# The command dcm

Publishes configs, shows what the fleet makes of them, and looks after the services. Made from the command itself by
\`npm run docs\`: each part below is what its \`--help\` prints.

From a clone it is \`npm run -s dcm -- COMMAND\`, or \`cli/dcm.mjs COMMAND\` where Node.js 22.19 or later is installed; both build
what is stale first. To have it as \`dcm\` everywhere: \`npm run build && npm install -g .\`. In the container:
\`docker compose exec controller node cli/dcm.mjs COMMAND\`.

## Where the services are

| what | environment | profile | where nothing is said |
|---|---|---|---|
| controller | \`CONTROLLER_URL\` | \`controller_url\` | \`http://localhost:6001\`, or \`CONTROLLER_PORT\` |
| worker | \`WORKER_URL\` | \`worker_url\` | \`http://localhost:6002\`, or \`WORKER_PORT\` |
| agent (\`doctor\`) | \`AGENT_URL\` | \`agent_url\` | \`http://localhost:8081\`, or \`AGENT_PORT\` |
| key of the controller | \`API_KEY\` or \`API_KEY_FILE\` | \`api_key\` or \`api_key_file\` | \`default-api-key\` |
| key of the worker | \`WORKER_API_KEY\` or \`WORKER_API_KEY_FILE\` | \`worker_api_key\` | none |

Profiles are in \`~/.config/dcm/config.json\` (\`XDG_CONFIG_HOME\` is followed), or in the file that \`DCM_CONFIG\` names:

\`\`\`json
{
  "default": "staging",
  "profiles": {
    "staging": { "controller_url": "http://config.staging:6001", "api_key_file": "staging.key" },
    "production": { "controller_url": "https://config.example.com", "api_key_file": "production.key" }
  }
}
\`\`\`

A relative \`api_key_file\` is beside that file. A file of profiles that holds keys itself must be readable by its owner alone.
\`--profile NAME\` goes before the environment, since whoever names a fleet means that one; the environment goes before the
profile of \`DCM_PROFILE\` or the default. The key of a profile goes to the addresses of that profile and to no other. Keys are
never given on the command line, where everybody could read them who lists processes.

## What it prints

Data goes to stdout, talk to stderr. \`--json\` makes one JSON document of the data (of \`status --watch\` a line each), and one
of an error on stderr: \`{"error": {"message", "exit_code", "code"?, "details"?}}\`, with the code of [errors.md](errors.md).
Colours are there on a terminal only, and not under \`NO_COLOR\`. What services say (host names, errors, comments) is freed of
everything that a terminal would obey. Times are UTC.

## Exit codes

| code | when |
|---|---|
${exitRows()}

## Waiting for the fleet

\`--wait\` of \`publish\` and \`rollback\` shows how many of the online agents that report have applied the version. It ends

- with 0 when all of them have;
- with 4 as soon as none is under way any more and some failed, or at the timeout where some failed: they are named, with their reasons;
- with 3 at the timeout, where no agent that reports is online, and where a newer version is published meanwhile.

Agents that cannot report, as those of the Go system, are named and do not count. A controller that restarts meanwhile is
waited for. Ctrl-C ends the waiting and takes nothing back.

## Publishing from scripts

FILE holds the data of a config alone, as \`dcm get --data\` prints it. \`--set key=value\` changes values of the latest config and
leaves the rest: what it read is what it changes (If-Match), and it begins anew where somebody published in between, so that
nobody's change is lost. A value is JSON where it is some, else text: \`--set n=5\` is a number, \`--set 'version="1.10"'\` text.

\`rollback\` asks only at a terminal; a script that has none goes back at once, as it publishes at once. \`--yes\` does not ask at
a terminal either.

## Commands

\`\`\`
${helpOf(program)}
\`\`\`

${sections.join('\n\n')}
`
}
