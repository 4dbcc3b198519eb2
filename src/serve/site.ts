import { ModelError, OptionError } from '../base/errors.ts'
import { Drift, driftGauges } from './drift.ts'
import { kindOf } from './kind.ts'
import { countAnswer, type Metrics, makeMetrics } from './metrics.ts'
import { type Answered, type ServedModel, type Version, versionOf } from './model.ts'
import { Models, warmUp } from './models.ts'
import { type HandlerSettings, limitsOf } from './options.ts'
import { BatchQueue, Budget } from './queue.ts'
import { reasonOf } from './reason.ts'
import { Refused } from './refused.ts'
import type { Sample } from './served-kind.ts'

/** What a handler is told. */
export interface HandlerOptions extends HandlerSettings {
  /** The name of the model in addresses and answers. Default: the name in its card. */
  name?: string
  /** The version of the model. Default: the digest of its weights. */
  version?: string
  /** The names with ports that requests may have as their Host, such as `localhost:8080`; a request of another page is
   *  refused too. Default: any, for a server that others reach. */
  hosts?: readonly string[]
  /** Loads the newest version, for `POST /admin/reload` and `reload()`. */
  load?: () => Promise<{ model: ServedModel; version?: string }>
  /** Another model that answers the same pictures or rows in the shadow: disagreements are counted and logged. */
  shadow?: { model: ServedModel; version?: string }
  /** Takes each line of the log. */
  log?: (line: string) => void
}

/** What all routes share. */
export class Site {
  readonly options: HandlerOptions
  readonly limits: ReturnType<typeof limitsOf>
  readonly metrics: Metrics
  readonly models: Models
  readonly queue: BatchQueue<Sample, Answered>
  readonly held: Budget
  readonly log: (line: string) => void
  draining = false
  #open = 0
  #waitIdle: (() => void)[] = []
  #reloading = false
  #drift: { of: Version; window: Drift } | undefined

  constructor(model: ServedModel, options: HandlerOptions) {
    this.options = options
    const { noun } = kindOf(model)
    this.limits = limitsOf(options, noun)
    this.metrics = makeMetrics(noun)
    this.log = options.log ?? (() => {})
    const first = { model, name: options.name ?? model.card.name, version: options.version ?? versionOf(model) }
    this.models = new Models(first, { metrics: this.metrics, log: this.log })
    this.held = new Budget(this.limits.maxHeld)
    const { depth, batch, wait } = this.metrics
    this.queue = new BatchQueue(
      samples => this.models.answer(samples),
      { ...this.limits, noun },
      {
        depth: n => depth.set(n),
        batch: waited => {
          batch.observe(waited.length)
          for (const seconds of waited) wait.observe(seconds)
        },
      },
    )
    driftGauges(this.metrics.registry, () => {
      const { version, model } = this.models.current
      return { drift: this.#window(), version, targets: model.card.classes }
    })
  }

  /** The last answers of the model that answers now. */
  #window(): Drift {
    const of = this.models.current
    if (this.#drift?.of !== of) this.#drift = { of, window: new Drift(of.model.card, this.limits.driftWindow) }
    return this.#drift.window
  }

  /** Counts an answer for the metrics. */
  count({ answer, by }: Answered): void {
    countAnswer(this.metrics, answer, by.model.card.classes.length)
    if (by === this.models.current) this.#window().add(answer)
    for (const column of answer.unknown ?? []) this.metrics.unknown.inc({ column })
  }

  async open(): Promise<void> {
    await warmUp(this.models.current)
    const { shadow } = this.options
    if (!shadow) return
    const version = { ...shadow, name: 'shadow', version: shadow.version ?? versionOf(shadow.model) }
    await warmUp(version)
    this.models.shadow(version)
  }

  async reload(): Promise<{ model: string; version: string }> {
    const { load } = this.options
    if (!load) throw new OptionError('createHandler: there is nothing to load again; give it the option load')
    if (this.#reloading) throw new Refused(409, 'request', 'another version is being loaded; try again when it is done')
    this.#reloading = true
    const { name, version: before } = this.models.current
    try {
      const { model, version = versionOf(model) } = await load()
      const next: Version = { model, name, version }
      try {
        this.#checkKind(next)
        await warmUp(next)
      } catch (error) {
        await model.dispose()
        throw error
      }
      const note = changes(this.models.current.model.card.classes, model.card.classes)
      this.models.swap(next)
      this.metrics.reloads.inc({ result: 'swapped' })
      this.log(`reload: version ${version} answers now, instead of ${before}${note}`)
      return { model: name, version }
    } catch (error) {
      this.metrics.reloads.inc({ result: 'refused' })
      this.log(`reload: refused, version ${before} goes on: ${reasonOf(error)}`)
      throw error
    } finally {
      this.#reloading = false
    }
  }

  /** A server answers one kind of data: its limits, metrics and addresses are those of that kind. */
  #checkKind({ model, name }: Version): void {
    const [own, other] = [kindOf(this.models.current.model), kindOf(model)]
    if (own !== other)
      throw new ModelError(
        `${name}: the new version takes a ${other.noun}, and this server a ${own.noun}. Start a new server for it.`,
      )
  }

  enter(): void {
    this.metrics.open.set(++this.#open)
  }
  leave(): void {
    this.metrics.open.set(--this.#open)
    if (this.#open === 0) for (const go of this.#waitIdle.splice(0)) go()
  }
  idle(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise(resolve => this.#waitIdle.push(resolve))
  }
}

/** What changed in the classes of a new version, in words. */
function changes(before: readonly string[], after: readonly string[]): string {
  const [gone, come] = [before.filter(c => !after.includes(c)), after.filter(c => !before.includes(c))]
  if (gone.length + come.length === 0) return ''
  const list = (names: readonly string[]) => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  return `; its classes differ${come.length > 0 ? `, new: ${list(come)}` : ''}${gone.length > 0 ? `, gone: ${list(gone)}` : ''}`
}
