import { optionTables } from '../api/options.ts'
import { OptionError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { flagNames } from '../base/option-table.ts'
import { nameOptionsAsTyped } from '../base/options.ts'
import type { Decision } from '../data/labels/decisions.ts'
import {
  command,
  decide,
  decisionsOf,
  decisionsPath,
  type Entry,
  type Review,
  reviewOf,
  serveReview,
  withTexts,
} from '../web/index.ts'
import { commandFlags } from './options.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'

/** What `anneal clean` is told. */
export interface CleanFlags {
  list?: boolean
  json?: boolean
  decide?: string
  port?: number
}

/** `anneal clean`: shows what of a run's samples to look at, in a page or as text, and keeps what is decided. */
export async function clean(
  run: string,
  { list = false, json = false, decide: file, port }: CleanFlags,
): Promise<void> {
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65536))
    throw new OptionError(`--port: expected a number from 0 to 65535, got ${port}`)
  nameOptionsAsTyped(flagNames({ ...optionTables.train, ...commandFlags.clean })) // the page prints the next training
  const found = reviewOf(run)
  if (file === undefined && (list || json)) return print(found, json)
  const review = await withTexts(found)
  workWithoutOutput() // decisions are kept in the run's folder
  if (file !== undefined) return take(review, file)
  if (review.sections.length === 0)
    throw new OptionError(
      `${run}: there is nothing to review: its interpret.json lists no label issues, near-duplicates or losses`,
    )
  const served = await serveReview(review, { port: port ?? 0 })
  process.stdout.write(
    `${plural(review.samples.length, review.noun.one, review.noun.many)} to look at: open this address (Done, or Ctrl-C here, ends it)\n${served.url}\n`,
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void served.close())
  await served.ended
  await served.close()
  told(review)
}

/** Takes decisions from a file of JSON lines (`-`: from standard input): all of them, or none where one is wrong. */
async function take(review: Review, file: string): Promise<void> {
  const { readDecisions } = await import('../data/labels/decisions.ts')
  const { fileOf } = await import('../web/review.ts')
  const decisions = readDecisions(file === '-' ? '/dev/stdin' : file)
  const listed = new Set(review.samples.map(p => p.file))
  const there = (file: string) => listed.has(file) || review.texts?.has(file) || fileOf(review, file) !== undefined
  const unknown = decisions.find(d => !there(d.file))
  if (unknown)
    throw new OptionError(
      `${file}: ${review.data} has no ${review.noun.one} ${unknown.file}; expected ${review.texts ? 'names of its rows' : 'paths below it'}, as \`anneal clean ${review.run} --list\` shows them`,
    )
  if (decisions.length > 0) decide(review, decisions as (Decision & { reason?: string })[])
  told(review)
}

function told(review: Review): void {
  const decisions = decisionsOf(review.run)
  if (decisions.size === 0) return void process.stdout.write('nothing was decided\n')
  const of = (action: Decision['action']) => [...decisions.values()].filter(d => d.action === action).length
  process.stdout.write(
    `${flat(decisionsPath(review.run))}: ${plural(decisions.size, 'decision')}, ${of('drop')} left out, ${of('relabel')} relabelled\nnext     ${flat(command(review))}\n`,
  )
}

function print(review: Review, json: boolean): void {
  const decisions = decisionsOf(review.run)
  for (const { kind, entries } of review.sections)
    for (const entry of entries) {
      const files = entry.samples.map(number => review.samples[number]!)
      if (json) process.stdout.write(`${JSON.stringify(asObject(kind, entry, files, decisions))}\n`)
      else {
        process.stdout.write(
          `${kind}  ${[entry.words, entry.score].flatMap(text => (text ? [flat(text)] : [])).join(', ')}\n`,
        )
        for (const { file, labels, text } of files) {
          const decision = decisions.get(file)
          const state = decision
            ? `  [${decision.action}${decision.action === 'relabel' ? ` ${[decision.label].flat().join(', ')}` : ''}]`
            : ''
          process.stdout.write(`  ${flat(file)}${labels ? `  (${flat(labels.join(', '))})` : ''}${flat(state)}\n`)
          if (text !== undefined) process.stdout.write(`    ${flat(beginning(text))}\n`)
        }
      }
    }
  if (review.sections.length === 0 && !json) process.stdout.write('nothing to review\n')
}

/** The beginning of a text, for one line. */
const beginning = (text: string): string => {
  const line = text.trim().replace(/\s+/g, ' ')
  return line.length > 100 ? `${line.slice(0, 100)} …` : line
}

const asObject = (
  kind: string,
  { suggested, score }: Entry,
  files: Review['samples'],
  decisions: ReadonlyMap<string, Decision>,
) => ({
  kind,
  score,
  ...(suggested ? { suggested } : {}),
  samples: files.map(({ file, labels, text }) => ({
    file,
    labels,
    ...(text === undefined ? {} : { text }),
    decision: decisions.get(file),
  })),
})
