import { anyOf, casesOf, keyOf } from './cases.ts'
import type { CompletedCommand, Values } from './tree.ts'

const valuesText = (values: Values): string => (values === 'files' ? 'files=1' : `values="${values === 'none' ? '' : values.join(' ')}"`)

/** The completion for bash; it needs nothing but bash 4. */
export function bashScript(tree: CompletedCommand): string {
  const { commands, steps, taking, optionValues, argumentValues } = casesOf(tree)
  const lists = commands.map(
    (command) =>
      `    "${keyOf(command)}") commands="${command.commands.map(({ path }) => path.at(-1)).join(' ')}"; options="${command.options.flatMap(({ names }) => names).join(' ')}" ;;`,
  )
  const cases = (all: typeof optionValues) => all.map(([pattern, values]) => `      "${pattern}") ${valuesText(values)} ;;`)
  return `# Completes dcm in bash: source <(dcm completion bash)
_dcm() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" at="" word="" option="" commands="" options="" values="" files="" arguments=0 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
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
      *) values="" ;;
    esac
  elif [[ $cur == -* ]]; then
    values="$options"
  else
    case "$at $arguments" in
${cases(argumentValues).join('\n')}
      *) values="" ;;
    esac
    if ((arguments == 0)); then values="$values $commands"; fi
  fi
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
  fi
}
complete -F _dcm dcm
`
}
