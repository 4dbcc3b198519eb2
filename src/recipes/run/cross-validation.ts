import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomic } from '../../base/files.ts'
import { plural } from '../../base/format.ts'
import { samples as noun } from '../../base/samples.ts'
import {
  isRun,
  metricInfo,
  metricText,
  orderMetrics,
  type RunResult,
  type RunTask,
  readResult,
  readSeen,
  runPaths,
  type Spread,
  writeSeen,
} from '../../runs/index.ts'
import { labelScores } from '../../train/objective.ts'
import { meanOf } from '../../train/paired-losses.ts'
import { together as atOwnTemperature, cardObjective, type ModelCard } from '../../train/saved-model.ts'
import type { RecipeOptions } from '../options.ts'
import { decideTogether, meanHeld, readHeld } from '../results/calibrate.ts'
import { decisions } from '../results/model-card.ts'
import type { Session } from './session.ts'

/** The nets that a run trains and averages: `fold`: each validates on another part of the samples; `net`: each has
 *  another seed, and all validate on the same samples. */
export interface Members {
  kind: 'fold' | 'net'
  count: number
}

/** The folder of a member's run inside the whole one. */
export const memberName = (kind: Members['kind'], member: number): string => `${kind}-${member + 1}`

/** Trains a run for each member inside the folder of the whole run (`fold-1`, `fold-2`, …). A member that is done is not
 *  trained again; an interrupted one goes on. `train` runs one member, from its start or from its checkpoint. */
export async function trainMembers(
  session: Session,
  { kind, count }: Members,
  train: (member: number, dir: string, resume: boolean) => Promise<RunResult>,
): Promise<RunResult[]> {
  const { dir } = session.run
  const results: RunResult[] = []
  for (let member = 0; member < count; member++) {
    const inside = join(dir, memberName(kind, member))
    const done = readResult(inside)
    if (!done) session.emit({ type: 'phase', phase: kind, fold: member + 1, folds: count })
    results.push(done ?? (await train(member, inside, isRun(inside))))
  }
  return results
}

/** The mean and spread of the members' results; saves the mean of their outputs as one classifier. */
export function averageOutputs(
  session: Session,
  kind: Members['kind'],
  results: readonly RunResult[],
  { seed = 42, thresholdFor }: Pick<RecipeOptions, 'seed' | 'thresholdFor'> = {},
): RunResult {
  const { dir } = session.run
  const first = results[0]!
  const { task = 'single', classes } = first
  const names = orderMetrics(Object.keys(first.metrics), task)
  const spread = Object.fromEntries(
    [...names, 'loss'].map(name => [name, spreadOf(results.map(r => numberOf(r, name)))]),
  )
  for (const name of names)
    session.emit({
      type: 'line',
      text: `over ${scored(results, name, kind)}: ${saidSpread(name, spread[name]!, task)}`,
    })
  const folders = results.map((_, member) => memberName(kind, member))
  const together =
    task === 'regression'
      ? undefined
      : decideTogether(session, { task, classes, seed }, heldBy(dir, kind, results.length), {
          metric: thresholdFor,
          of: 'classifier ',
          on: kind === 'fold' ? 'samples that each net did not see' : 'the validation samples',
        })
  const card = saveAverage(dir, folders, { ...(together ? decisions(together) : {}), metrics: meansOf(spread) })
  const test = testOf(session, folders, { card, results })
  noteSeen(dir, results)
  session.choice(
    'classifier',
    `the average of ${plural(results.length, 'net')}`,
    `each was trained ${kind === 'fold' ? 'on other folds' : 'with another seed'}; best.json lists them, and predict averages their outputs`,
  )
  const { metrics: _, intervals: __, test: ___, tta: ____, threshold, thresholds: own, ...facts } = first
  return {
    ...facts,
    run: dir,
    loss: spread.loss!.mean,
    metrics: Object.fromEntries(names.map(name => [name, spread[name]!.mean])),
    ...(together?.thresholds
      ? { threshold: together.thresholds.threshold, thresholds: [...together.thresholds.thresholds] }
      : {}),
    ...(test ? { test } : {}),
    epochs: results.reduce((sum, r) => sum + r.epochs, 0),
    seconds: { total: session.run.seconds },
    folds: [...results],
    spread,
  }
}

const numberOf = (result: RunResult, name: string): number =>
  name === 'loss' ? result.loss : (result.metrics[name] ?? Number.NaN)

/** `accuracy 85.0 % ± 7.1 %`. */
function saidSpread(name: string, { mean, std }: Spread, task: RunTask): string {
  const text = metricText(name, mean, { task })
  return Number.isFinite(mean) ? `${text} ± ${metricInfo(name, task).say(std)}` : text
}

/** The predictions of the members' mean for the validation samples. Of folds each sample is predicted by the net that did
 *  not see it. */
export function heldBy(dir: string, kind: Members['kind'], count: number): ReturnType<typeof readHeld> {
  const dirs = Array.from({ length: count }, (_, member) => join(dir, memberName(kind, member)))
  return kind === 'fold' ? readHeld(dirs) : meanHeld(dirs)!
}

/** The test figures of the members' mean, as `best.json` predicts: by its own temperature and thresholds. Undefined
 *  without test samples. Unlike the mean of the members' figures, they are those of the classifier that is saved; the loss is the
 *  mean of their losses, as `evaluate` gives it. */
function testOf(
  session: Session,
  folders: readonly string[],
  { card, results }: { card: ModelCard; results: readonly RunResult[] },
): RunResult['test'] {
  const found = meanHeld(
    folders.map(name => join(session.run.dir, name)),
    'test',
  )
  if (!found) return undefined
  const { task = 'single', classes, thresholds } = card
  const { targets } = found
  const uneven = results[0]?.test?.metrics.balancedAccuracy !== undefined
  const outputs = atOwnTemperature(card, found.probabilities)
  const metrics = thresholds
    ? { ...labelScores(outputs, targets, classes.length, thresholds) }
    : cardObjective(card, { uneven }).score(outputs, targets)
  const samples = outputs.length / classes.length
  const names = orderMetrics(Object.keys(metrics), task).map(name => metricText(name, metrics[name]!, { task }))
  session.emit({
    type: 'line',
    text: `test, the average of ${plural(folders.length, 'net')}: ${names.join(', ')} (${noun.count(samples)})`,
  })
  return { loss: meanOf(results.map(({ test }) => test?.loss ?? Number.NaN)), metrics, samples }
}

/** `5 folds`; `4 of 5 folds` where the others have no such metric. */
function scored(results: readonly RunResult[], name: string, kind: Members['kind']): string {
  const there = results.filter(r => Number.isFinite(numberOf(r, name))).length
  return there === results.length || there === 0
    ? `${results.length} ${kind}s`
    : `${there} of ${results.length} ${kind}s`
}

/** Mean and spread over the values that are numbers: a member without the metric (an undefined R²) is left out. */
function spreadOf(all: readonly number[]): Spread {
  const values = all.filter(Number.isFinite)
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, values.length - 1)
  return { mean, std: Math.sqrt(variance) }
}

/** Notes the samples that the average has seen: those that any net was trained on. */
function noteSeen(dir: string, results: readonly RunResult[]): void {
  const seen = results.flatMap(({ run }) => readSeen(run) ?? [])
  if (seen.length === results.length)
    writeSeen(dir, { train: seen.flatMap(({ train }) => train), valid: seen.flatMap(({ valid }) => valid) })
}

const meansOf = (spread: Record<string, Spread>): Record<string, number> =>
  Object.fromEntries(Object.entries(spread).map(([name, { mean }]) => [name, mean]))

/** Saves the nets of all members as one classifier: a card lists them, and has its own temperature and thresholds. */
function saveAverage(
  dir: string,
  names: readonly string[],
  own: Pick<ModelCard, 'temperature' | 'thresholds' | 'metrics'>,
): ModelCard {
  const best = names.map(name => runPaths(join(dir, name)).best)
  const members = best.map(({ about, weights }, i) => {
    const name = `${names[i]}-best`
    copyFileSync(weights, join(dir, `${name}.safetensors`))
    copyFileSync(about, join(dir, `${name}.json`))
    return name
  })
  const { thresholds: _, temperature: __, ...first } = JSON.parse(readFileSync(best[0]!.about, 'utf8')) as ModelCard
  const card: ModelCard = { ...first, ...own, members }
  writeAtomic(runPaths(dir).best.about, `${JSON.stringify(card, null, 2)}\n`)
  return card
}
