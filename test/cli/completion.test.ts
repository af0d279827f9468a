import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { shells } from '#cli/completion/shells.ts'
import { completionTree, flatten } from '#cli/completion/tree.ts'
import { createProgram } from '#cli/program/program.ts'
import { dcm } from '#test/_support/dcm.ts'
import { TempFolder } from '#test/_support/temp.ts'

const scriptFor = async (shell: string): Promise<string> => (await dcm(['completion', shell])).stdout
const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).error === undefined
const tree = completionTree(createProgram(async () => {}))

/** What bash would offer for a line; the last word is the one that is being written. */
function inBash(script: string, words: readonly string[], cwd: string): string[] {
  const quoted = words.map((word) => `'${word}'`).join(' ')
  const ask = `${script}\nCOMP_WORDS=(dcm ${quoted}); COMP_CWORD=${words.length}; _dcm; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', ask], { encoding: 'utf8', cwd }).split('\n').filter(Boolean).sort()
}

describe('completion', () => {
  it.each(shells)('for %s is a script without a fault in its syntax', async (shell) => {
    const script = await scriptFor(shell)
    expect(script).toContain('dcm')
    // The others are looked at where they are installed; what they have to say is compared below.
    if (shell !== 'bash' && !isInstalled(shell)) return
    const checked = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
    expect([checked.status, checked.stderr]).toEqual([0, ''])
  })

  it.each(shells)('for %s knows every command, option and choice there is', async (shell) => {
    const script = await scriptFor(shell)
    for (const { path, options, arguments: given } of flatten(tree)) {
      for (const word of path) expect(script).toMatch(new RegExp(`[ '"]${word}[ '":)]`))
      for (const { names, values } of options) {
        for (const name of names) expect(script, name).toContain(shell === 'fish' ? `${name.startsWith('--') ? '-l' : '-s'} ${name.replace(/^-+/, '')}` : name)
        if (Array.isArray(values)) expect(script).toContain(values.join(' '))
      }
      for (const values of given) if (Array.isArray(values)) expect(script).toContain(values.join(' '))
    }
  })

  it('in bash offers what fits', async () => {
    using folder = new TempFolder()
    execFileSync('touch', ['config.json', 'a b.json'], { cwd: folder.path })
    const script = await scriptFor('bash')
    const offered = (...words: string[]) => inBash(script, words, folder.path)
    expect(offered('')).toEqual(
      flatten(tree)
        .flatMap(({ path }) => (path.length === 1 ? path : []))
        .sort(),
    )
    expect(offered('pub')).toEqual(['publish'])
    expect(offered('keys', '')).toEqual(['list', 'make', 'revoke'])
    expect(offered('keys', 'make', 'name', '--ro')).toEqual(['--role'])
    expect(offered('keys', 'make', 'name', '--role', '')).toEqual(['admin', 'agent', 'publisher', 'relay'])
    expect(offered('agents', '--state', 'f')).toEqual(['failed'])
    expect(offered('agents', '--state', 'failed', 'd')).toEqual(['delete'])
    expect(offered('publish', '')).toEqual(['a b.json', 'config.json'])
    expect(offered('publish', '--comment', 'a text', 'conf')).toEqual(['config.json'])
    expect(offered('publish', '--comment', '')).toEqual([])
    expect(offered('restore', 'x', '--to', 'conf')).toEqual(['config.json'])
    expect(offered('get', '')).toEqual([])
    expect(offered('completion', '')).toEqual(['bash', 'fish', 'zsh'])
    // The value of an option is no command, and a command's name is none behind an argument.
    expect(offered('publish', '--comment', 'keys', '--ro')).toEqual([])
    expect(offered('agent', 'keys', '--js')).toEqual(['--json'])
  })
})
