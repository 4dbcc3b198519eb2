import { existsSync } from 'node:fs'
import { didYouMean, OptionError } from '../base/errors.ts'
import { flagNames, type OptionTable } from '../base/option-table.ts'

/** The command line of `anneal launch`, divided: its own options, and the command that each rank runs. */
export interface Divided {
  own: string[]
  command: string[]
}

/** The names that torchrun gives to our options. */
const aliases: Record<string, string> = { '--nproc-per-node': '--nproc' }

/** Divides the words after `launch`. The command begins after `--`, or at the first word that is neither an option nor
 *  its value, as with torchrun. Options may be written with `_`, and as torchrun names them. */
export function divide(words: readonly string[], table: OptionTable): Divided {
  const flags = new Set([...flagNames(table).values()].map(({ flag }) => flag))
  const own: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word === '--') return { own, command: words.slice(at + 1) }
    if (!word.startsWith('-')) return { own, command: words.slice(at) }
    const [, name, value] = /^(--?[^=]*)(=.*)?$/s.exec(word)!
    const dashed = name!.startsWith('--') ? `--${name!.slice(2).replaceAll('_', '-')}` : name!
    const flag = aliases[dashed] ?? dashed
    own.push(`${flag}${value ?? ''}`)
    if (flags.has(flag) && value === undefined && at + 1 < words.length) own.push(words[++at]!)
  }
  return { own, command: [] }
}

/** What each rank runs. */
export interface RankCommand {
  file: string
  args: string[]
  /** The words after `anneal`, if the ranks run it. */
  anneal?: string[]
}

/** The commands of Anneal that share their work among ranks. */
const shared = ['train', 'demo', 'evaluate']

/** Those that work in one process. */
const inOneProcess = 'predict, export, augment, runs, report, clean, serve, doctor, bench, shard, launch, setup'.split(
  ', ',
)

/** Reads the command of the ranks: `train photos`, `anneal train photos`, `npx anneal train photos`, a script for Node, or
 *  any other program. `self`: how this process runs Anneal (`[node, bin/anneal.mjs]`). */
export function readCommand(words: readonly string[], self: readonly string[]): RankCommand {
  const example = 'Example: npx anneal launch --nproc 2 train photos'
  if (words.length === 0)
    throw new OptionError(`launch: no command for the ranks was given; expected one after the options. ${example}`, {
      exitCode: 2,
    })
  const plain = words[0] === 'npx' && words[1] === 'anneal' ? words.slice(1) : words
  const anneal = plain[0] === 'anneal' ? plain.slice(1) : plain
  const [first = '', ...rest] = anneal
  if (shared.includes(first)) return { file: self[0]!, args: [...self.slice(1), ...anneal], anneal: [...anneal] }
  if (inOneProcess.includes(first))
    throw new OptionError(
      `launch: "anneal ${first}" runs in one process and does not share its work among ranks; start it without launch: npx anneal ${first} …${
        plain[0] === 'anneal' ? '' : `. A program of this name is started by its path: ./${first}`
      }`,
      { exitCode: 2 },
    )
  if (plain[0] === 'anneal')
    throw new OptionError(
      `launch: "anneal ${first}" does not share its work among ranks; expected ${shared.join(', ')}.${didYouMean(first, shared)} ${example}`,
      { exitCode: 2 },
    )
  if (/\.[cm]?js$/.test(first) && existsSync(first)) return { file: process.execPath, args: [first, ...rest] }
  return { file: first, args: rest }
}

/** Whether a command makes a run, which `train --resume` goes on with. */
export const makesRun = ({ anneal = [] }: Pick<RankCommand, 'anneal'>): boolean =>
  anneal[0] === 'train' || anneal[0] === 'demo'

/** The command of a restart: `anneal train` and `anneal demo` go on with their run, if they made one. Another command
 *  starts as it was. */
export function resumed(command: RankCommand, self: readonly string[], run: string | undefined): RankCommand {
  const { anneal } = command
  const resumes = anneal?.some(word => /^--resume(=|$)/.test(word))
  if (run === undefined || !anneal || !makesRun(command) || resumes) return command
  const words = ['train', '--resume', run, ...(anneal.includes('--json') ? ['--json'] : [])]
  return { file: self[0]!, args: [...self.slice(1), ...words], anneal: words }
}
