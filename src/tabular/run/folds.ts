import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { plural } from '../../base/format.ts'
import {
  isRun,
  metricInfo,
  metricText,
  orderMetrics,
  type RunResult,
  readResult,
  runPaths,
  type Spread,
} from '../../runs/index.ts'
import { readCard, type TableCard, writeCard } from './card.ts'
import type { OpenTable } from './open.ts'
import type { TableSession } from './session.ts'
import type { Job, Made, TableHooks } from './types.ts'

const folderOf = (fold: number) => `fold-${fold + 1}`

/** Trains a run for each fold inside the folder of the whole run, and saves the mean of their outputs as one model. A fold
 *  that is done is not trained again; an interrupted one goes on. */
export async function trainFolds(
  session: TableSession,
  job: Job & { open: OpenTable },
  hooks: TableHooks,
  train: (dir: string, job: Job, hooks: TableHooks) => Promise<RunResult>,
): Promise<Made> {
  const { dir } = session.run
  const count = job.options.folds!
  const { minutes } = job.options
  const results: RunResult[] = []
  for (let fold = 0; fold < count; fold++) {
    const inside = join(dir, folderOf(fold))
    const done = readResult(inside)
    if (!done) session.emit({ type: 'phase', phase: 'fold', fold: fold + 1, folds: count })
    const options = { ...job.options, fold, ...(minutes === undefined ? {} : { minutes: minutes / count }) }
    const config = { ...job.config, settings: { ...job.config.settings, fold } }
    const own = { ...hooks, onRun: () => {} }
    results.push(
      done ??
        (await train(
          inside,
          { mode: isRun(inside) ? 'append' : 'create', config, options, open: job.open, fold },
          own,
        )),
    )
  }
  return together(session, results)
}

/** Mean and spread of the folds, and the card of their average. */
function together(session: TableSession, results: readonly RunResult[]): Made {
  const { dir } = session.run
  const first = results[0]!
  const { task = 'single', classes, leading } = first
  const names = orderMetrics(Object.keys(first.metrics), task)
  const scoreIn = (result: RunResult, name: string) =>
    name === 'loss' ? result.loss : (result.metrics[name] ?? Number.NaN)
  const spread = Object.fromEntries(
    [...names, 'loss'].map(name => [name, spreadOf(results.map(r => scoreIn(r, name)))]),
  )
  for (const name of names) {
    const { mean, std } = spread[name]!
    const text = metricText(name, mean, { task })
    session.line(
      `over ${results.length} folds: ${Number.isFinite(mean) ? `${text} ± ${metricInfo(name, task).say(std)}` : text}`,
    )
  }
  const metrics = Object.fromEntries(names.map(name => [name, spread[name]!.mean]))
  const card = saveAverage(dir, results.length, metrics)
  session.choice(
    'model',
    `the average of ${plural(results.length, 'model')}`,
    'each was validated on other rows; best.json lists them, and predict averages their outputs',
  )
  const { test: _, intervals: __, threshold: ___, ...facts } = first
  return {
    result: {
      ...facts,
      run: dir,
      loss: spread.loss!.mean,
      metrics,
      ...(leading === undefined ? {} : { leading }),
      ...(card.threshold === undefined ? {} : { threshold: card.threshold }),
      epochs: results.reduce((sum, r) => sum + r.epochs, 0),
      seconds: { total: session.run.seconds },
      folds: [...results],
      spread,
    },
    made: { model: first.model, classes },
  }
}

function spreadOf(all: readonly number[]): Spread {
  const values = all.filter(Number.isFinite)
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, values.length - 1)
  return { mean, std: Math.sqrt(variance) }
}

/** Copies the models of the folds beside one card that lists them. Its threshold is the mean of theirs. */
function saveAverage(dir: string, count: number, metrics: Record<string, number>): TableCard {
  const cards = Array.from({ length: count }, (_, fold) => {
    const stem = join(dir, folderOf(fold), 'best')
    const to = join(dir, `${folderOf(fold)}-best`)
    if (existsSync(to)) rmSync(to, { recursive: true })
    cpSync(stem, to, { recursive: true })
    const card = readCard(stem)
    writeCard(to, card)
    return card
  })
  const { temperature: _, threshold: __, ...first } = cards[0]!
  const thresholds = cards.flatMap(({ threshold }) => threshold ?? [])
  const card: TableCard = {
    ...first,
    metrics,
    members: cards.map((_, fold) => `${folderOf(fold)}-best`),
    ...(thresholds.length > 0
      ? { threshold: (thresholds.reduce((a, b) => a + b, 0) + 0.5 * (count - thresholds.length)) / count }
      : {}),
  }
  writeCard(runPaths(dir).best.about.replace(/\.json$/, ''), card)
  return card
}
