import { type CompletedCommand, flatten, type Values } from './tree.ts'

/** The path of a command as the scripts keep it: each word with a space before it. */
export const keyOf = ({ path }: CompletedCommand): string => path.map((word) => ` ${word}`).join('')

/** A pattern that stands for any of some texts; for none at all where there are none. */
export const anyOf = (texts: readonly string[], quote: string): string =>
  texts.length > 0 ? texts.map((text) => `${quote}${text}${quote}`).join('|') : `${quote}-${quote}`

/** What all of the scripts ask of the tree. */
export interface Cases {
  readonly commands: readonly CompletedCommand[]
  /** `path word` of each command. */
  readonly steps: readonly string[]
  /** `path option` of each option that takes a value. */
  readonly taking: readonly string[]
  /** The same with what the value may be, where that is known. */
  readonly optionValues: readonly (readonly [string, Values])[]
  /** `path number` of each argument, from 0, with what it may be, where that is known. */
  readonly argumentValues: readonly (readonly [string, Values])[]
}

const isKnown = ([, values]: readonly [string, Values]): boolean => values !== 'none'

/** Makes the cases from the tree. */
export function casesOf(tree: CompletedCommand): Cases {
  const commands = flatten(tree)
  const withValue = commands.flatMap((command) =>
    command.options.flatMap(({ names, values }) => (values === undefined ? [] : names.map((name): [string, Values] => [`${keyOf(command)} ${name}`, values]))),
  )
  return {
    commands,
    steps: commands.flatMap((command) => (command.path.length > 0 ? [keyOf(command)] : [])),
    taking: withValue.map(([name]) => name),
    optionValues: withValue.filter(isKnown),
    argumentValues: commands.flatMap((command) => command.arguments.map((values, i): [string, Values] => [`${keyOf(command)} ${i}`, values])).filter(isKnown),
  }
}
