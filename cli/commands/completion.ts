import type { Command } from 'commander'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import type { Shell } from '../completion/shells.ts'
import { completionTree } from '../completion/tree.ts'
import { zshScript } from '../completion/zsh.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

const scripts: Readonly<Record<Shell, (tree: ReturnType<typeof completionTree>) => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** `dcm completion SHELL`: made from the command line's own definition. */
export async function completion({ output }: Context, program: Command, shell: Shell): Promise<number> {
  const script = scripts[shell](completionTree(program))
  output.result({ shell, script }, () => script.trimEnd())
  return exits.ok
}
