import type { Command } from 'commander'

/** What may be completed to: words, or files. */
export type Values = readonly string[] | 'files' | 'none'

/** An option as shells complete it. */
export interface CompletedOption {
  readonly names: readonly string[]
  readonly description: string
  /** Of its value; undefined: it takes none. */
  readonly values: Values | undefined
}

/** A command as shells complete it. */
export interface CompletedCommand {
  /** The words that lead to it, without the program's own name. */
  readonly path: readonly string[]
  readonly description: string
  readonly options: readonly CompletedOption[]
  readonly commands: readonly CompletedCommand[]
  readonly arguments: readonly Values[]
}

const valuesOf = (name: string, choices: readonly string[] | undefined): Values => choices ?? (name === 'file' ? 'files' : 'none')

const nameOfValue = (flags: string): string => /[<[](\w+)/.exec(flags)?.[1] ?? ''

/** The first sentence is enough of a description, and quotes and the like are the shells' own. */
const short = (text: string): string =>
  text
    .split(/[;:(]/)[0]
    ?.replace(/[^\w ,./-]/g, '')
    .trim() ?? ''

/** The commands as a tree, from the command line's own definition. */
export function completionTree(command: Command, path: readonly string[] = []): CompletedCommand {
  const help = command.createHelp()
  return {
    path,
    description: short(command.description()),
    options: help.visibleOptions(command).map((option) => ({
      names: [option.short, option.long].flatMap((name) => (name ? [name] : [])),
      description: short(option.description),
      values: option.required || option.optional ? valuesOf(nameOfValue(option.flags), option.argChoices) : undefined,
    })),
    commands: help
      .visibleCommands(command)
      .filter((below) => below.name() !== 'help')
      .map((below) => completionTree(below, [...path, below.name()])),
    arguments: command.registeredArguments.map((argument) => valuesOf(argument.name(), argument.argChoices)),
  }
}

/** A command and all that are below it. */
export const flatten = (command: CompletedCommand): CompletedCommand[] => [command, ...command.commands.flatMap(flatten)]
