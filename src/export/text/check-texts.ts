import { existsSync } from 'node:fs'
import { sha256 } from '../../base/digest.ts'
import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { type TargetTable, targetsOf } from '../../data/targets.ts'
import { placed } from '../../recipes/run/moved-files.ts'
import { restoredOptions } from '../../recipes/run/stored-options.ts'
import { isRun, readConfig, readSeen } from '../../runs/index.ts'
import { openTexts } from '../../text/dataset.ts'
import { texts } from '../../text/domain/texts.ts'
import type { TextIndex, TextItem, TextOptions } from '../../text/types.ts'
import type { TextModel } from './model-graph.ts'

/** Texts to check an exported model on, with their labels. */
export interface CheckTexts {
  texts: readonly string[]
  targets: TargetTable
  /** Which part of the run's data they are from: training if folds leave nothing else. */
  part: 'valid' | 'train'
}

/** The most characters of the texts of a check, so that it takes a minute for long ones too, and the fewest texts. */
const [mostCharacters, fewest] = [120_000, 32]

const skip = 'Or leave out the check (--no-check).'

/** Finds up to `most` validation texts of a run, by their content: always the same ones, of all classes. */
export async function checkTexts(
  run: string,
  { card: { classes, task = 'single' } }: TextModel,
  { most, data }: { most: number; data?: string | undefined },
): Promise<CheckTexts> {
  const config = isRun(run) ? readConfig(run) : undefined
  const seen = config ? readSeen(run) : undefined
  if (!config || !seen)
    throw new ModelError(
      `${run}: is no run that keeps a list of its texts, so there is nothing to check the exported model on. Give the folder of a run. ${skip}`,
    )
  if (data === undefined && !existsSync(config.data))
    throw new ModelError(
      `${run}: its texts were in ${config.data}, which no longer exists. Give their new place with ${option('data')}. ${skip}`,
    )
  const { settings, data: place } = placed(run, config, { data })
  const options = { ...restoredOptions(run, settings, undefined), seed: config.seed } as unknown as TextOptions
  const found = openTexts((await texts.index(place, options)) as TextIndex, options)
  const part = seen.valid.length > 0 ? 'valid' : 'train'
  const wanted = new Set(seen[part])
  let characters = 0
  const order = (item: TextItem) => sha256(item.hash) // has nothing to do with classes
  const items = found.items
    .filter(({ hash }) => wanted.delete(hash.slice(0, 16)))
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
    .slice(0, most)
    .filter(({ text }, i) => (characters += text.length) <= mostCharacters || i < fewest)
  if (items.length === 0)
    throw new ModelError(
      `${place}: holds none of the texts that ${run} was ${part === 'valid' ? 'validated' : 'trained'} on. Give their place with ${option('data')}. ${skip}`,
    )
  const numbers = found.classes.map(name => classes.indexOf(name))
  const rows = items.map(({ labels, values }) => ({
    labels: labels.map(label => numbers[label]!),
    ...(values && { values: classes.map(name => values[found.classes.indexOf(name)]!) }),
  }))
  return { texts: items.map(({ text }) => text), targets: targetsOf(rows, task, classes.length), part }
}
