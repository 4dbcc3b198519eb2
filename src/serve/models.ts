import { ModelError } from '../base/errors.ts'
import { percent } from '../base/format.ts'
import { kindOf } from './kind.ts'
import type { Metrics } from './metrics.ts'
import { type Answer, type Answered, digestOf, type Version } from './model.ts'
import { reasonOf } from './reason.ts'
import type { Ready, Sample, ServedKind } from './served-kind.ts'
import { traced } from './trace.ts'

/** A version with the batches that it works on. */
interface Held extends Version {
  users: number
  retired: boolean
}

/** Lets a new model answer once, and refuses it if it fails or if its answers do not fit its card. */
export async function warmUp({ model, name }: Version): Promise<void> {
  const kind = kindOf(model)
  let answer: Answer | undefined
  try {
    ;[answer] = await kind.predict(model, [kind.sample(model)], { features: false })
  } catch (error) {
    throw new ModelError(`${name}: the model does not answer: ${reasonOf(error)}`, { cause: error })
  }
  const { scores } = answer!
  const { classes } = model.card
  if (scores.length !== classes.length || !scores.every(Number.isFinite))
    throw new ModelError(
      `${name}: the model gives ${scores.length} scores (${[...scores.slice(0, 3)].join(', ')} …); its card names ${classes.length} classes, so finite numbers for each were expected`,
    )
}

/** The model that answers, and the one in its shadow. A new version takes over between two batches; the old one ends
 *  when its last batch is done. */
export class Models {
  #current: Held
  #shadow: Held | undefined
  #shadowBusy = false
  /** The nets run one after another: each uses all threads. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #metrics: Metrics
  readonly #log: (line: string) => void

  constructor(current: Version, { metrics, log }: { metrics: Metrics; log: (line: string) => void }) {
    this.#current = held(current)
    this.#metrics = metrics
    this.#log = log
    this.#tell()
  }

  get current(): Version {
    return this.#current
  }

  /** Takes a model that answers in the shadow. Throws if it takes other samples, or answers another task. */
  shadow(version: Version): void {
    const { model } = this.#current
    for (const [what, own, other] of [
      ['kind', kindOf(model).noun, kindOf(version.model).noun] as const,
      ...(kindOf(model) === kindOf(version.model) ? kindOf(model).compared(model, version.model) : []),
    ])
      if (own !== other)
        throw new ModelError(
          `${version.name}: a shadow model has the same ${what} as the model that answers; got ${other}, expected ${own}`,
        )
    this.#shadow = held(version)
  }

  /** Swaps a new version in, which has been warmed up. Batches that run keep the old one, which is disposed of after. */
  swap(next: Version): void {
    const old = this.#current
    this.#current = held(next)
    this.#tell()
    this.#retire(old)
  }

  /** Disposes of all models, when their batches are done. */
  async close(): Promise<void> {
    this.#retire(this.#current)
    if (this.#shadow) this.#retire(this.#shadow)
    await this.#turn
  }

  #tell(): void {
    const { name, version, model } = this.#current
    this.#metrics.model.reset()
    this.#metrics.model.set({ model: name, digest: digestOf(model), version }, 1)
  }

  #retire(version: Held): void {
    version.retired = true
    if (version.users === 0) void this.#next(() => version.model.dispose()).catch(() => {})
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Answers a batch: makes all samples ready, and runs the model over those that may go together. */
  async answer(samples: readonly Sample[]): Promise<(Answered | Error)[]> {
    const by = this.#current
    const kind = kindOf(by.model)
    by.users++
    try {
      const ready = await Promise.all(samples.map(sample => kind.ready(sample, by.model)))
      const results: (Answered | Error)[] = ready.map(one =>
        one instanceof Error ? one : new Error('nobody waits for it'),
      )
      for (const places of together(ready, kind)) {
        let [asked, some]: [number[], Ready[]] = [[], []]
        const answers = await this.#next(async () => {
          asked = places.filter(i => !samples[i]!.signal.aborted)
          some = asked.map(i => ready[i] as Ready)
          const features = asked.some(i => samples[i]!.features)
          return some.length > 0 ? kind.predict(by.model, some, { features }) : []
        })
        for (const [i, place] of asked.entries()) results[place] = { answer: answers[i]!, by }
        const traces = asked.map(i => samples[i]!.trace)
        if (some.length > 0) this.#compare(some, answers, traces)
      }
      return results
    } finally {
      by.users--
      if (by.retired && by.users === 0) this.#retire(by)
    }
  }

  /** Lets the shadow model answer the same samples, after the answer, if it has nothing else to do. */
  #compare(samples: readonly Ready[], answers: readonly Answer[], traces: readonly (string | undefined)[]): void {
    const shadow = this.#shadow
    if (!shadow) return
    const count = (result: string, n: number) => this.#metrics.shadow.inc({ result }, n)
    if (this.#shadowBusy) {
      count('skipped', samples.length)
      return
    }
    this.#shadowBusy = true
    const kind = kindOf(shadow.model)
    const compare = async () => {
      const others = await this.#next(() => kind.predict(shadow.model, samples, { features: false }))
      for (const [i, other] of others.entries()) {
        const same = agree(answers[i]!, other)
        count(same ? 'same' : 'different', 1)
        if (!same)
          this.#log(
            `shadow: ${said(answers[i]!, this.#current)}, ${shadow.version} says ${said(other, shadow)}; ${kind.said(samples[i]!)}${traced(traces[i])}`,
          )
      }
    }
    compare()
      .catch(error => {
        count('failed', samples.length)
        this.#log(`shadow: ${shadow.version} failed: ${reasonOf(error)}`)
      })
      .finally(() => {
        this.#shadowBusy = false
      })
  }
}

const held = (version: Version): Held => ({ ...version, users: 0, retired: false })

/** The places of samples that are ready, those that may share a batch together. */
function together(ready: readonly (Ready | Error)[], kind: ServedKind): number[][] {
  const groups = new Map<string, number[]>()
  for (const [i, one] of ready.entries()) {
    if (one instanceof Error) continue
    const group = groups.get(kind.key(one))
    if (group) group.push(i)
    else groups.set(kind.key(one), [i])
  }
  return [...groups.values()]
}

/** Whether two models say the same: the same label, the same labels, or numbers that differ by 5 % at most. */
function agree(a: Answer, b: Answer): boolean {
  if (a.task === 'single' && b.task === 'single') return a.label === b.label
  if (a.task === 'multi' && b.task === 'multi')
    return a.labels.length === b.labels.length && a.labels.every(label => b.labels.includes(label))
  return a.scores.every((value, i) => {
    const other = b.scores[i] ?? Number.NaN
    return Math.abs(value - other) <= 0.05 * Math.max(Math.abs(value), Math.abs(other))
  })
}

/** An answer in words. */
function said(answer: Answer, { model }: Version): string {
  if (answer.task === 'single') return `${answer.label} ${percent(answer.probability)}`
  if (answer.task === 'multi') return answer.labels.join(', ') || 'no label'
  return model.card.classes.map((name, i) => `${name} ${answer.scores[i]!.toPrecision(4)}`).join(', ')
}
