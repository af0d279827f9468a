import type { Command } from 'commander'
import { createProgram } from '#cli/program.ts'

/** `publish [options] [file]` with what leads to it. */
function usageOf(command: Command, path: readonly string[]): string {
  const args = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`))
  return [...path, ...args].join(' ')
}

function sectionOf(command: Command, path: readonly string[]): string[] {
  const options = command.options.map(
    (option) => `| \`${option.flags}\` | ${option.description}${option.defaultValue === undefined ? '' : ` (${option.defaultValue})`} |`,
  )
  const own = [
    `### \`${usageOf(command, path)}\``,
    '',
    `${command.description()}.`,
    '',
    ...(options.length > 0 ? ['| option | |', '|---|---|', ...options, ''] : []),
  ]
  return [...own, ...command.commands.flatMap((part) => sectionOf(part, [...path, part.name()]))]
}

/** Each command with its options, as the command itself has them. */
export const commandSections = (): string =>
  createProgram(async () => {})
    .commands.flatMap((command) => sectionOf(command, ['dcm', command.name()]))
    .join('\n')
