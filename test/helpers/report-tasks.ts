import type { Interpretation, JudgedPicture, LabelledPicture } from '../../src/runs/index.ts'
import {
  averagePrecision,
  bestThresholds,
  classReportMulti,
  column,
  decide,
  fBeta,
  multilabelConfusion,
  precisionRecallCurve,
  regressionReport,
  reliability,
  take,
} from '../../src/train/metrics.ts'
import type { Made } from './report.ts'

type Thumbnails = (i: number) => string

/** A single-label run with every part that a report can draw. */
export function everything(classes: string[], thumbnails: Thumbnails): Made {
  const judged = (i: number, right: boolean): JudgedPicture => ({
    file: `valid/${classes[i % classes.length]}/picture-${i}.jpg`,
    actual: classes[i % classes.length]!,
    predicted: classes[(right ? i : i + 1) % classes.length]!,
    loss: right ? 0.01 : 5 - 0.1 * i,
    probability: 0.99 - 0.01 * i,
    thumbnail: thumbnails(i),
  })
  const curve = (bend: number) => ({
    bins: Array.from({ length: 9 }, (_, i) => {
      const confidence = 0.15 + i / 10
      return { from: 0.1 + i / 10, to: 0.2 + i / 10, count: 5 + i * i, confidence, accuracy: confidence ** bend }
    }),
    ece: 0.06 * bend,
  })
  return {
    classes,
    thumbnails,
    result: { task: 'single', metrics: { balancedAccuracy: 0.8123 }, intervals: { accuracy: [0.801, 0.899] } },
    interpret: {
      task: 'single',
      mostCorrect: many(6, i => judged(i, true)),
      mostIncorrect: many(6, i => judged(i, false)),
      heatmaps: many(6, i => ({
        ...judged(i, i % 2 === 0),
        overlay: thumbnails(i + 50),
        of: classes[i % classes.length]!,
      })),
      featureMaps: many(2, i => ({
        file: `valid/seen-${i}.jpg`,
        label: classes[i]!,
        thumbnail: thumbnails(i + 30),
        layers: ['conv_stem', 'blocks.2', ''].map((layer, l) => {
          const side = [14, 7, 3][l]!
          const data = (k: number) => Uint8Array.from({ length: side * side }, (_, p) => (p * (k + 3) * 7 + i) % 256)
          const maps = many(4, k => ({
            channel: 9 - k,
            strength: 4 - k,
            data: Buffer.from(data(k)).toString('base64'),
          }))
          return { layer, height: 8 * side, width: 8 * side, channels: 32 << l, rows: side, columns: side, maps }
        }),
      })),
      labelIssues: many(5, i => ({
        file: `train/${classes[0]}/doubt-${i}.jpg`,
        given: classes[0]!,
        suggested: classes[1]!,
        score: 0.002 * (i + 1),
        thumbnail: thumbnails(i + 80),
      })),
      nearDuplicates: many(3, i => ({
        similarity: 0.99 - 0.01 * i,
        pictures: many(2 + (i % 2), k => ({
          file: `train/twin-${i}-${k}.jpg`,
          label: classes[k % 2]!,
          part: k === 0 ? 'train' : 'valid',
          thumbnail: thumbnails(i + 90),
        })),
      })),
      sizes: [
        { size: 128, accuracy: 0.81, loss: 0.6 },
        { size: 192, accuracy: 0.86, loss: 0.5 },
        { size: 224, accuracy: 0.884, loss: 0.43 },
        { size: 288, accuracy: 0.879, loss: 0.44 },
      ],
      calibration: { before: curve(1.8), after: curve(1.1), temperature: 1.62 },
      augmentAuto: [
        { change: 'mirror', accuracy: 0.88, drop: 0.004, chosen: true },
        { change: 'rotate to 10°', accuracy: 0.871, drop: 0.013, chosen: true },
        { change: 'upside down', accuracy: 0.52, drop: 0.364, chosen: false },
      ],
    },
  }
}

/** A multi-label run. Some pictures have no label. */
export function several(names: string[], thumbnails: Thumbnails, n = 300): Made {
  const random = stream(11)
  const c = names.length
  const targets = Float32Array.from({ length: n * c }, (_, i) => Number(random() < 0.03 + 0.5 / (1 + (i % c))))
  const noise = () => random() + random() + random() + random() - 2
  const logit = (i: number) => (targets[i]! * 2 - 1) * (0.4 + (1.2 * ((i * 7) % c)) / c) + noise() - 0.6
  const probabilities = Float32Array.from({ length: n * c }, (_, i) => 1 / (1 + Math.exp(-2 * logit(i))))
  const best = bestThresholds(probabilities, targets, c, { metric: 'f2' })
  const { thresholds, threshold } = best
  const report = classReportMulti(probabilities, targets, c, { thresholds })
  const ap = averagePrecision(probabilities, targets, c)
  const counts = multilabelConfusion(probabilities, targets, c, { thresholds })
  const decided = decide(probabilities, c, thresholds)
  const named = (row: number, of: ArrayLike<number>) => names.filter((_, k) => of[row * c + k] === 1)
  const labelled = (row: number): LabelledPicture => ({
    file: `valid/picture-${row}.jpg`,
    actual: named(row, targets),
    predicted: named(row, decided),
    loss: 2.5 / (1 + row / 10),
    thumbnail: thumbnails(row),
  })
  const metrics = {
    mAP: ap.mean,
    f1: fBeta(probabilities, targets, c, { thresholds }),
    f2: fBeta(probabilities, targets, c, { thresholds, beta: 2 }),
    accuracy: 0.91,
  }
  const after = reliability(probabilities, targets, c, { task: 'multi', bins: 10 })
  return {
    classes: names,
    thumbnails,
    test: false,
    metrics: (epoch, accuracy) => ({
      mAP: accuracy,
      f2: 0.9 * accuracy,
      f1: 0.8 * accuracy,
      accuracy: 0.9 + epoch / 500,
    }),
    scan: { pictures: { train: 1234, valid: n } },
    interpret: {
      task: 'multi',
      confusion: [],
      topLosses: [],
      mostUncertain: [],
      perClass: [],
      multi: {
        threshold,
        thresholds,
        perClass: report.classes.map((s, k) => ({
          ...s,
          ...counts[k]!,
          name: names[k]!,
          ap: Number.isNaN(ap.classes[k]) ? null : ap.classes[k]!,
          threshold: thresholds[k]!,
        })),
        curves: names.map((name, k) => {
          const { recall, precision } = precisionRecallCurve(column(probabilities, c, k), column(targets, c, k))
          return { name, points: recall.map((r, i): [number, number] => [r, precision[i]!]).reverse() }
        }),
        worst: names.map((name, k) => ({
          name,
          pictures: many(3, i => ({ ...labelled(i + k), probability: probabilities[(i + k) * c + k]! })),
        })),
        averages: { samples: report.samples, micro: report.micro, macro: report.macro },
        topLosses: many(8, labelled),
        confused: many(3, i => ({ actual: names[i]!, predicted: names[i + 1]!, count: 9 - i })),
      },
      calibration: { before: after },
      labelIssues: many(2, i => ({
        file: `valid/doubt-${i}.jpg`,
        given: names[0]!,
        suggested: `not ${names[0]}`,
        score: 0.01,
        thumbnail: thumbnails(i),
      })),
    },
    result: { task: 'multi', metrics, threshold, thresholds, intervals: { mAP: [0.71, 0.79] } },
  }
}

/** A regression run. */
export function measured(names: string[], thumbnails: Thumbnails, n = 400): Made {
  const random = stream(5)
  const c = names.length
  const noise = () => random() + random() + random() - 1.5
  const targets = Float64Array.from({ length: n * c }, (_, i) => 50 + 300 * (i % c) + 12 * noise())
  const predictions = targets.map((y, i) => y + 4 * noise() * (1 + (i % c)))
  const report = regressionReport(predictions, targets, c)
  const rows = many(n, i => i)
  const metrics = { r2: report.r2.mean, mae: report.mae.mean, rmse: report.rmse.mean }
  const interpret: Partial<Interpretation> = {
    task: 'regression',
    confusion: [],
    topLosses: [],
    mostUncertain: [],
    perClass: [],
    samples: many(4, i => ({ label: `${names[0]} ${50 + i}`, thumbnail: thumbnails(i) })),
    regression: {
      targets: names.map((name, k) => {
        const [actual, predicted] = [take(column(targets, c, k), rows), take(column(predictions, c, k), rows)]
        const points = rows.map((i): [number, number] => [actual[i]!, predicted[i]!])
        return { name, r2: report.r2.targets[k]!, mae: report.mae.targets[k]!, rmse: report.rmse.targets[k]!, points }
      }),
      worst: many(9, i => ({
        file: `valid/picture-${i}.jpg`,
        thumbnail: thumbnails(i),
        loss: 9 - i,
        values: names.map((name, k) => ({ name, actual: targets[i * c + k]!, predicted: predictions[i * c + k]! })),
      })),
    },
    sizes: [
      { size: 128, accuracy: Number.NaN, loss: 0.5, metrics: { r2: 0.81 } },
      { size: 224, accuracy: Number.NaN, loss: 0.3, metrics: { r2: 0.9 } },
    ],
  }
  return {
    classes: names,
    thumbnails,
    test: false,
    metrics: epoch => ({ r2: epoch === 1 ? -3.2 : 0.95 - 1 / (1 + epoch), mae: 9 / epoch, rmse: 12 / epoch }),
    scan: { classes: [], pictures: { train: 2000, valid: n } },
    interpret,
    result: { task: 'regression', metrics },
  }
}

const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

function stream(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32
    return seed / 2 ** 32
  }
}
