import { writeAtomic } from '../../src/base/files.ts'
import {
  type ConfusionCell,
  type Interpretation,
  type JudgedPicture,
  openRun,
  type RunConfig,
  type RunResult,
  type ScanEvent,
} from '../../src/runs/index.ts'

/** Settings of an artificial run. Only the folder has no default. */
export interface Made {
  classes?: string[]
  model?: string
  data?: string
  head?: number
  whole?: number
  steps?: number
  factor?: number
  /** How it ends: normally, or after this many epochs by a stop, an error or a kill. */
  end?: 'done' | { after: number; how: 'stopped' | 'failed' | 'killed' }
  test?: boolean
  nan?: boolean
  warnings?: string[]
  thumbnails?: (i: number) => string
  pictures?: number
  /** The metrics of an epoch. Default: accuracy. */
  metrics?: (epoch: number, accuracy: number) => Record<string, number>
  /** Other or additional content of the files. */
  interpret?: Partial<Interpretation>
  result?: Partial<RunResult>
  scan?: Partial<ScanEvent>
}

/** Writes a run as the recipe would, with numbers from a fixed random stream. */
export function makeRun(dir: string, made: Made = {}): void {
  const { classes = ['hat', 'shirt', 't-shirt'], model = 'tf_efficientnet_lite0', data = '/photos/clothing' } = made
  const { head = 3, whole = 6, steps = 40, factor = 3, end = 'done', test = true, nan = false, warnings = [] } = made
  const { thumbnails = () => '', pictures = 12, metrics = (_, accuracy) => ({ accuracy }) } = made
  const random = stream(7)
  const run = openRun(dir, 'create')
  const config: RunConfig = {
    format: 1,
    anneal: '0.1.0',
    created: '2026-11-23T09:30:00.000Z',
    command: ['train', data, '--model', model, '--size', '224', '--out', dir],
    model,
    data,
    classes,
    seed: 42,
    settings: {
      size: 224,
      batch: 32,
      augment: 'side-on',
      zoom: 1.1,
      lr: null,
      wd: 0.01,
      bnFreeze: true,
      minutes: 5,
      weights: undefined,
    },
    versions: { anneal: '0.1.0', node: 'v20.19.2', libtorch: '2.15.0', sharp: '0.35.5' },
    machine: { cpu: 'Intel Xeon (Sapphire Rapids)', threads: 2, memory: '7.8 GB', amx: true, device: 'cpu' },
  }
  run.writeConfig(config)
  run.append({ type: 'phase', phase: 'scan' })
  const support = classes.map((_, i) => 20 + ((i * 7) % 23))
  run.append({
    type: 'scan',
    classes: classes.map((name, i) => ({
      name,
      train: 80 + ((i * 37) % 190),
      valid: support[i]!,
      ...(test ? { test: support[i]! + 3 } : {}),
    })),
    problems: [
      { file: 'train/hat/<b>&"x\'.jpg', reason: 'ends after 3,021 bytes of 18,220', kind: 'damaged' },
      { file: 'train/shoes/0c9a8b4e-44f2-4b7e-b8c6-3b1a2b3c4d5e.jpg', reason: 'is no picture (text)', kind: 'damaged' },
      { file: 'train/shirt/a.jpg', reason: 'the same picture is in valid/shirt/b.jpg', kind: 'leak' },
    ],
    ...made.scan,
  })
  for (const message of warnings) run.append({ type: 'warning', message })
  run.append({ type: 'line', text: 'pretrained weights from the cache' })
  const find = (phase: string, shift: number) => {
    run.append({ type: 'phase', phase: 'find' })
    const lrs = Array.from({ length: 90 }, (_, i) => 1e-7 * 1e8 ** (i / 99))
    const start = Math.log(classes.length)
    const smoothed = lrs.map(lr => {
      const x = Math.log10(lr) + shift
      return start * (1 - 0.55 / (1 + Math.exp(-3 * (x + 3)))) + Math.exp(4 * (x + 0.2))
    })
    const losses = smoothed.map((s, i) => (nan && i > 85 ? Number.NaN : s + (random() - 0.5) * 0.35))
    const suggestions = { steep: 1e-3 / 10 ** shift, valley: 2.3e-3 / 10 ** shift, minimum: 1.1e-2 / 10 ** shift }
    run.append({
      type: 'lrFind',
      phase,
      lrs,
      losses,
      smoothed,
      suggestions,
      chosen: suggestions.steep,
      how: 'steepest fall',
    })
    run.append({
      type: 'choice',
      what: 'learning rate',
      value: suggestions.steep.toExponential(1),
      reason: 'the steepest fall of the smoothed loss',
    })
    return suggestions.steep
  }
  let step = 0
  let epoch = 0
  let best = 0
  let over = false
  const last = end === 'done' ? Number.POSITIVE_INFINITY : end.after
  const train = (phase: string, epochs: number, peak: number, cycle: number, lrsOf: (lr: number) => number[]) => {
    if (over || epochs === 0) return
    run.append({ type: 'phase', phase, epochs, groups: ['early layers', 'late layers', 'head'] })
    let smooth = 0
    for (let e = 1; e <= epochs; e++) {
      for (let b = 0; b < steps; b++) {
        step++
        const t = (((e - 1) % cycle) * steps + b) / (cycle * steps)
        const lrs = lrsOf((peak * (1 + Math.cos(Math.PI * t))) / 2)
        const loss = nan && step % 17 === 0 ? Number.NaN : 0.35 + (1.9 * 12) / (12 + step) + (random() - 0.5) * 0.3
        smooth = smooth === 0 ? loss : Number.isNaN(loss) ? smooth : 0.95 * smooth + 0.05 * loss
        run.append({
          type: 'batch',
          phase,
          step,
          epoch: epoch + 1,
          loss,
          smooth: nan && step % 51 === 0 ? Number.NaN : smooth,
          lrs,
          momentum: 0.9,
        })
      }
      epoch++
      const accuracy = 0.9 - 0.35 / (1 + 0.8 * epoch) + (random() - 0.5) * 0.02
      const isBest = accuracy > best
      best = Math.max(best, accuracy)
      run.append({
        type: 'epoch',
        phase,
        epoch,
        step,
        trainLoss: smooth,
        validLoss: nan && epoch === 2 ? Number.NaN : 0.9 / (1 + 0.3 * epoch) + 0.3 + random() * 0.03,
        metrics: metrics(epoch, accuracy),
        seconds: phase === 'head' ? 2.4 : 21.7,
        lrs: lrsOf(peak),
        best: isBest,
      })
      run.checkpoint({ step, epoch })
      if (epoch >= last) {
        over = true
        return
      }
    }
  }
  const steep = find('head', 0)
  train('head', head, steep, 1, lr => [0, 0, lr])
  if (!over && whole > 0) {
    const second = find('whole', 1)
    train('whole', whole, second, 2, lr => [lr / factor ** 2, lr / factor, lr])
    run.append({
      type: 'choice',
      what: 'next cycle',
      value: '2 epochs',
      reason: 'the training loss (0.61) is still above the validation loss (0.58): the net has more to learn',
    })
  }
  if (end === 'done') finish()
  else if (end.how === 'stopped') run.append({ type: 'stopped', reason: 'Ctrl-C', step })
  else if (end.how === 'failed') run.append({ type: 'failed', message: `${data}: no space left on the disk <i>` })
  run.close()

  function finish(): void {
    const counts = (extra: number) =>
      classes.flatMap((_, i) => {
        const row = new Map<number, number>()
        for (let k = 0; k < support[i]! + extra; k++) {
          const near = (i + 1 + Math.floor(random() * 3)) % classes.length
          const told = random() < 0.86 ? i : near
          row.set(told, (row.get(told) ?? 0) + 1)
        }
        return [...row].sort(([a], [b]) => a - b).map(([predicted, count]) => ({ actual: i, predicted, count }))
      })
    const confusion = counts(0)
    const testConfusion = counts(3)
    const sum = (cells: ConfusionCell[]) => cells.reduce((all, { count }) => all + count, 0)
    const onDiagonal = (cells: ConfusionCell[]) => cells.filter(c => c.actual === c.predicted)
    const right = (cells: ConfusionCell[]) => sum(onDiagonal(cells)) / sum(cells)
    const told = classes.map(() => 0)
    for (const { predicted, count } of confusion) told[predicted]! += count
    const found = new Map(onDiagonal(confusion).map(({ actual, count }) => [actual, count]))
    const judged = (i: number, sure: boolean): JudgedPicture => ({
      file: `/photos/clothing/valid/${classes[i % classes.length]}/picture-${i}-0c9a8b4e-44f2-4b7e.jpg`,
      actual: classes[i % classes.length]!,
      predicted: classes[(sure || i % 2 ? i + 1 : i) % classes.length]!,
      loss: sure ? 7.2 / (1 + 0.1 * i) : 0.9,
      probability: sure ? 0.99 - 0.03 * i : 0.36 + 0.01 * i,
      thumbnail: thumbnails(i + (sure ? 0 : 100)),
    })
    const many = (n: number) => Array.from({ length: n }, (_, i) => i)
    const interpret: Interpretation = {
      classes,
      confusion,
      topLosses: many(pictures).map(i => judged(i, true)),
      mostUncertain: many(pictures).map(i => judged(i, false)),
      samples: many(pictures).map(i => ({ label: classes[i % classes.length]!, thumbnail: thumbnails(i + 200) })),
      perClass: classes.map((name, i) => {
        const recall = (found.get(i) ?? 0) / support[i]!
        const precision = (found.get(i) ?? 0) / told[i]!
        return { name, precision, recall, f1: (2 * precision * recall) / (precision + recall), support: support[i]! }
      }),
      ...(test ? { test: { metrics: { accuracy: right(testConfusion) }, loss: 0.41, confusion: testConfusion } } : {}),
      ...made.interpret,
    }
    writeAtomic(run.paths.interpret, JSON.stringify(interpret))
    const seconds = { scan: 3.1, features: 24.2, find: 18.5, head: 7.2, whole: 130.4, test: 6.3, total: 204.8 }
    const total = sum(testConfusion)
    const result: RunResult = {
      run: dir,
      model,
      classes,
      loss: 0.43,
      epochs: epoch,
      seconds,
      ...(test ? { test: { metrics: { accuracy: right(testConfusion) }, loss: 0.41, samples: total } } : {}),
      ...made.result,
      metrics:
        made.result?.task === 'regression' || made.result?.task === 'multi'
          ? made.result.metrics!
          : { accuracy: right(confusion), ...made.result?.metrics },
    }
    run.finish(result)
  }
}

function stream(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32
    return seed / 2 ** 32
  }
}
