import { ModelError } from '../base/errors.ts'
import { percent } from '../base/format.ts'
import { reasonOf } from './header.ts'
import type { Metrics } from './metrics.ts'
import type { Answer, Pixels, ServedModel } from './model.ts'
import type { Queued } from './queue.ts'
import { Refused } from './refused.ts'
import { traced } from './trace.ts'

/** A picture in the queue: the bytes of a file, or raw pixels. `signal`: aborted when nobody waits for it any more.
 *  `features`: whether the pooled features are asked for. `trace`: the id of the trace that the request belongs to. */
export type Picture = Queued & { signal: AbortSignal; features?: boolean; trace?: string | undefined } & (
    | { bytes: Uint8Array }
    | { raw: Pixels }
  )

/** An answer, and the model that gave it. */
export interface Answered {
  answer: Answer
  by: Version
}

/** A loaded model under its name and version. */
export interface Version {
  model: ServedModel
  name: string
  version: string
}

/** A version with the batches that it works on. */
interface Held extends Version {
  users: number
  retired: boolean
}

/** Lets a new model answer once, and refuses it if it fails or if its answers do not fit its card. */
export async function warmUp({ model, name }: Version): Promise<void> {
  const { card } = model
  const { channels, size } = card.input
  const side = size + 32
  const data = Uint8Array.from({ length: side * side * channels }, (_, i) => (i * 97 + (i >> 7) * 31) & 255)
  let answer: Answer | undefined
  try {
    ;[answer] = await model.predictPixels([{ data, width: side, height: side, channels }])
  } catch (error) {
    throw new ModelError(`${name}: the model does not answer: ${reasonOf(error)}`, { cause: error })
  }
  const { scores } = answer!
  if (scores.length !== card.classes.length || !scores.every(Number.isFinite))
    throw new ModelError(
      `${name}: the model gives ${scores.length} scores (${[...scores.slice(0, 3)].join(', ')} …); its card names ${card.classes.length} classes, so finite numbers for each were expected`,
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

  /** Takes a model that answers in the shadow. Throws if it takes other pictures, or answers another task. */
  shadow(version: Version): void {
    const [a, b] = [this.#current.model.card, version.model.card]
    for (const [what, own, other] of [
      ['task', a.task, b.task],
      ['channels', `${a.input.channels} ${a.input.mode}`, `${b.input.channels} ${b.input.mode}`],
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
    this.#metrics.model.set({ model: name, digest: model.card.digests.weights[0] ?? '', version }, 1)
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

  /** Answers a batch: decodes all pictures, and runs the net over those of one size. */
  async answer(pictures: readonly Picture[]): Promise<(Answered | Error)[]> {
    const by = this.#current
    by.users++
    try {
      const decoded = await Promise.all(pictures.map(picture => decode(picture, by.model)))
      const results: (Answered | Error)[] = decoded.map(one =>
        one instanceof Error ? one : new Error('nobody waits for it'),
      )
      for (const places of bySize(decoded)) {
        let [asked, pixels]: [number[], Pixels[]] = [[], []]
        const answers = await this.#next(async () => {
          asked = places.filter(i => !pictures[i]!.signal.aborted)
          pixels = asked.map(i => decoded[i] as Pixels)
          const features = asked.some(i => pictures[i]!.features)
          return pixels.length > 0 ? by.model.predictPixels(pixels, { features }) : []
        })
        for (const [i, place] of asked.entries()) results[place] = { answer: answers[i]!, by }
        const traces = asked.map(i => pictures[i]!.trace)
        if (pixels.length > 0) this.#compare(pixels, answers, traces)
      }
      return results
    } finally {
      by.users--
      if (by.retired && by.users === 0) this.#retire(by)
    }
  }

  /** Lets the shadow model answer the same pictures, after the answer, if it has nothing else to do. */
  #compare(pixels: readonly Pixels[], answers: readonly Answer[], traces: readonly (string | undefined)[]): void {
    const shadow = this.#shadow
    if (!shadow) return
    const count = (result: string, n: number) => this.#metrics.shadow.inc({ result }, n)
    if (this.#shadowBusy) {
      count('skipped', pixels.length)
      return
    }
    this.#shadowBusy = true
    const compare = async () => {
      const others = await this.#next(() => shadow.model.predictPixels(pixels))
      for (const [i, other] of others.entries()) {
        const same = agree(answers[i]!, other)
        count(same ? 'same' : 'different', 1)
        const { width, height } = pixels[i]!
        if (!same)
          this.#log(
            `shadow: ${said(answers[i]!, this.#current)}, ${shadow.version} says ${said(other, shadow)}; picture of ${width} x ${height}${traced(traces[i])}`,
          )
      }
    }
    compare()
      .catch(error => {
        count('failed', pixels.length)
        this.#log(`shadow: ${shadow.version} failed: ${reasonOf(error)}`)
      })
      .finally(() => {
        this.#shadowBusy = false
      })
  }
}

const held = (version: Version): Held => ({ ...version, users: 0, retired: false })

async function decode(picture: Picture, model: ServedModel): Promise<Pixels | Error> {
  if ('raw' in picture) {
    const { channels } = model.card.input
    if (picture.raw.channels === channels) return picture.raw
    return new Refused(422, 'picture', `the pixels have ${picture.raw.channels} channels; the model takes ${channels}`)
  }
  try {
    return await model.decode(picture.bytes)
  } catch (error) {
    return new Refused(
      422,
      'picture',
      `the picture can not be decoded: ${reasonOf(error).replace(/^the picture can not be used: /, '')}`,
    )
  }
}

/** The places of decoded pictures, those of one size together. */
function bySize(decoded: readonly (Pixels | Error)[]): number[][] {
  const sizes = new Map<string, number[]>()
  for (const [i, one] of decoded.entries()) {
    if (one instanceof Error) continue
    const key = `${one.width} ${one.height} ${one.channels}`
    sizes.set(key, [...(sizes.get(key) ?? []), i])
  }
  return [...sizes.values()]
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
