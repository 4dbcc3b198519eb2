import { Gauge, type Registry } from 'prom-client'
import type { Answer, ServedModel } from './model.ts'

/** With fewer answers nothing is said. */
const leastAnswers = 100

/** One answer, as the window keeps it: the numbers of its labels and its confidence, or its values. */
interface Kept {
  labels: readonly number[]
  confidence: number
  values: Float32Array | undefined
}

/** How far the last answers of a model are from those on its validation samples. Empty where the card has no numbers of
 *  the validation, or there are less than 100 answers. */
export interface Drifted {
  /** Population stability index of the labels, less what two samples of the same pictures differ by; from 0. */
  labels?: number
  /** Mean confidence less that on validation. */
  confidence?: number
  /** Mean of each target less that on validation, in standard deviations of the predictions on validation. */
  values?: number[]
}

/** The last answers of one model: a window that slides. */
export class Drift {
  readonly #card: ServedModel['card']
  readonly #size: number
  readonly #index: ReadonlyMap<string, number>
  readonly #kept: Kept[] = []
  #next = 0

  constructor(card: ServedModel['card'], size: number) {
    this.#card = card
    this.#size = size
    this.#index = new Map(card.classes.map((name, i) => [name, i]))
  }

  get answers(): number {
    return this.#kept.length
  }

  add(answer: Answer): void {
    const { scores } = answer
    const names = answer.task === 'single' ? [answer.label] : answer.task === 'multi' ? answer.labels : []
    this.#kept[this.#next] = {
      labels: names.map(name => this.#index.get(name)!),
      confidence: confidenceOf(answer),
      values: answer.task === 'regression' ? scores : undefined,
    }
    this.#next = (this.#next + 1) % this.#size
  }

  measure(): Drifted {
    const { validation, classes } = this.#card
    const kept = this.#kept
    if (!validation || kept.length < Math.min(leastAnswers, this.#size)) return {}
    const { labels, confidence, values } = validation
    const count =
      'rows' in validation
        ? validation.rows
        : 'texts' in validation
          ? validation.texts
          : 'recordings' in validation
            ? validation.recordings
            : validation.pictures
    const found: Drifted = {}
    if (values && values.mean?.length === classes.length && values.std?.length === classes.length) {
      const mean = (t: number) => kept.reduce((sum, one) => sum + (one.values?.[t] ?? Number.NaN), 0) / kept.length
      found.values = classes.map((_, t) => (mean(t) - values.mean[t]!) / (values.std[t]! || 1))
    }
    if (confidence !== undefined)
      found.confidence = kept.reduce((sum, one) => sum + one.confidence, 0) / kept.length - confidence
    if (labels?.length === classes.length) {
      const counts = classes.map(() => 0)
      for (const one of kept) for (const label of one.labels) counts[label]!++
      const before = labels.map(share => share * count)
      const sizes = [kept.length, count] as const
      // Several labels: each is given or not, and the one that changed most counts.
      found.labels =
        this.#card.task === 'single'
          ? stability(counts, before, sizes)
          : Math.max(...counts.map((n, c) => stability([n, kept.length - n], [before[c]!, count - before[c]!], sizes)))
    }
    return found
  }
}

/** The population stability index of two counts over the same bins, Σ (p - q) ln(p / q), with half a sample more in each
 *  bin. Its mean for two samples of one population is (bins - 1) (1/N + 1/M) (Yurdakul 2018, Statistical Properties of
 *  Population Stability Index), which is taken off; 0 where less is left. */
function stability(counts: readonly number[], before: readonly number[], [n, m]: readonly [number, number]): number {
  const bins = counts.length
  const index = counts.reduce((sum, count, i) => {
    const p = (count + 0.5) / (n + bins / 2)
    const q = (before[i]! + 0.5) / (m + bins / 2)
    return sum + (p - q) * Math.log(p / q)
  }, 0)
  return Math.max(0, index - (bins - 1) * (1 / n + 1 / m))
}

/** The probability of the predicted label, for several labels the mean of all, as on validation. */
function confidenceOf({ task, scores }: Answer): number {
  if (task === 'multi') return scores.reduce((sum, p) => sum + p, 0) / scores.length
  return scores.reduce((a, b) => Math.max(a, b), 0)
}

/** Gauges of the drift. `now`: the window and the version of the model that answers. A gauge is absent where there is
 *  nothing to say. */
export function driftGauges(
  registry: Registry,
  now: () => { drift: Drift; version: string; targets: readonly string[] },
) {
  const registers = [registry]
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect: (gauge: Gauge<L>) => void,
  ) =>
    new Gauge<L>({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        collect(this)
      },
    })
  const one = (name: string, help: string, value: (found: Drifted) => number | undefined) =>
    gauge(name, help, ['version'], own => {
      const { drift, version } = now()
      const found = value(drift.measure())
      if (found !== undefined && Number.isFinite(found)) own.set({ version }, found)
    })
  one(
    'anneal_drift_labels_psi',
    'Population stability index of the last answers against validation: look from 0.1, worry from 0.25.',
    ({ labels }) => labels,
  )
  one(
    'anneal_drift_confidence',
    'Mean confidence of the last answers less that on validation: worry below -0.1.',
    ({ confidence }) => confidence,
  )
  gauge(
    'anneal_drift_values',
    'Mean of the last values less that on validation, in standard deviations: worry beyond 0.5 on either side.',
    ['version', 'target'],
    own => {
      const { drift, version, targets } = now()
      for (const [t, value] of (drift.measure().values ?? []).entries())
        if (Number.isFinite(value)) own.set({ version, target: targets[t]! }, value)
    },
  )
  gauge('anneal_drift_answers', 'Answers in the window of the drift.', ['version'], own => {
    const { drift, version } = now()
    own.set({ version }, drift.answers)
  })
}
