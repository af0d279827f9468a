import { anyOf, casesOf, keyOf } from './cases.ts'
import type { CompletedCommand, Values } from './tree.ts'

/** Words with their descriptions, as _describe takes them; the texts hold no quotes. */
const described = (all: readonly { readonly name: string; readonly description: string }[]): string =>
  all.map(({ name, description }) => `'${name}:${description}'`).join(' ')

const valuesText = (values: Values): string => (values === 'files' ? '_files' : `compadd -- ${values === 'none' ? '' : values.join(' ')}`)

/** The completion for zsh. */
export function zshScript(tree: CompletedCommand): string {
  const { commands, steps, taking, optionValues, argumentValues } = casesOf(tree)
  const lists = commands.map((command) => {
    const below = command.commands.map(({ path, description }) => ({ name: path.at(-1) ?? '', description }))
    const options = command.options.flatMap(({ names, description }) => names.map((name) => ({ name, description })))
    return `    "${keyOf(command)}") below=(${described(below)}); options=(${described(options)}) ;;`
  })
  const cases = (all: typeof optionValues) => all.map(([pattern, values]) => `      "${pattern}") ${valuesText(values)} ;;`)
  return `#compdef dcm
# Completes dcm in zsh, from a file _dcm in a folder of fpath, or sourced after compinit
_dcm() {
  local at="" word="" option="" arguments=0 i
  local -a below options
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    if [[ -n $option ]]; then option=""; continue; fi
    case "$at $word" in
      ${anyOf(steps, '"')}) if ((arguments == 0)); then at="$at $word"; fi ;;
      ${anyOf(taking, '"')}) option="$word" ;;
      *" -"*) ;;
      *) arguments=$((arguments + 1)) ;;
    esac
  done
  case "$at" in
${lists.join('\n')}
  esac
  if [[ -n $option ]]; then
    case "$at $option" in
${cases(optionValues).join('\n')}
      *) ;;
    esac
  elif [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o option options
  else
    case "$at $arguments" in
${cases(argumentValues).join('\n')}
      *) ;;
    esac
    if ((arguments == 0 && \${#below} > 0)); then _describe command below; fi
  fi
}
# Loaded from a file of $fpath it is called at once; sourced, it is only made known.
if [[ "\${funcstack[1]}" == _dcm ]]; then _dcm "$@"; else compdef _dcm dcm; fi
`
}
