import { casesOf, keyOf } from './cases.ts'
import type { CompletedCommand, CompletedOption, Values } from './tree.ts'

const listOf = (texts: readonly string[]): string => texts.map((text) => `'${text}'`).join(' ')

/** What follows an option or an argument: files, words, or something that nobody can know. */
const valuesText = (values: Values): string => (values === 'files' ? '-F' : values === 'none' ? '' : `-a '${values.join(' ')}'`)

function optionLine(at: string, { names, description, values }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ')
  // -r: it takes a value; -x: and that is no file.
  const value = values === undefined ? '' : values === 'files' ? ' -r -F' : ` -x ${valuesText(values)}`
  return `complete -c dcm -n '__dcm_at "${at}"' ${flags}${value.trimEnd()} -d '${description}'`
}

/** The completion for fish. */
export function fishScript(tree: CompletedCommand): string {
  const { commands, steps, taking } = casesOf(tree)
  const lines = commands.flatMap((command) => {
    const at = keyOf(command)
    return [
      ...command.commands.map(({ path, description }) => `complete -c dcm -n '__dcm_at "${at}" 0' -a ${path.at(-1)} -d '${description}'`),
      ...command.arguments.flatMap((values, i) => (values === 'none' ? [] : [`complete -c dcm -n '__dcm_at "${at}" ${i}' ${valuesText(values)}`])),
      ...command.options.map((option) => optionLine(at, option)),
    ]
  })
  return `# Completes dcm in fish: dcm completion fish > ~/.config/fish/completions/dcm.fish
function __dcm_where -d 'the command that is being written, and how many arguments it has already'
    set -l at ''
    set -l option ''
    set -l arguments 0
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if test -n "$option"
            set option ''
            continue
        end
        switch "$at $word"
            case ${listOf(steps)}
                test $arguments -eq 0; and set at "$at $word"
            case ${listOf(taking)}
                set option $word
            case '* -*'
            case '*'
                set arguments (math $arguments + 1)
        end
    end
    echo $at
    echo $arguments
end
function __dcm_at -d 'whether that is a command, with so many arguments where a number is given'
    set -l where (__dcm_where)
    test "$where[1]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; or test "$where[2]" = "$argv[2]"
end
complete -c dcm -f
${lines.join('\n')}
`
}
