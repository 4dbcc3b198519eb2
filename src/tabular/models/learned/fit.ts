import { rate } from '../../../base/format.ts'
import { keep, manualSeed, type nn, noGrad, scope, type Tensor } from '../../../torch/index.ts'
import type { Callback } from '../../../train/callback.ts'
import type { Evaluation } from '../../../train/evaluate.ts'
import { Learner, type LearnerOptions } from '../../../train/learner.ts'
import type { LearnerProgress } from '../../../train/learner-state.ts'
import { objective } from '../../../train/objective.ts'
import { lrFind } from '../../../train/rates/finder.ts'
import type { ScheduleName } from '../../../train/rates/named.ts'
import type { FitTableOptions, LabelledRows } from '../../types.ts'
import { timeIsOver } from '../check.ts'
import { readFitState, rowsDigest, secondsBetweenStates, under, writeFitState } from '../state.ts'
import { trainedLoss, trainedScale, trainedValues } from '../targets.ts'
import { memberByMember, predictingTogether } from './members.ts'
import type { LearnedCard, LearnedKind } from './model.ts'
import { TableSource } from './source.ts'

/** How a kind of net is trained. */
export interface LearnedRecipe<C extends LearnedCard> {
  kind: LearnedKind<C>
  /** The most epochs, by the number of training rows. */
  epochsFor(rows: number): number
  batchSizeFor(rows: number): number
  schedule: ScheduleName
  /** Settings of the learner. */
  learning: Pick<LearnerOptions, 'optimizer' | 'weightDecay' | 'gradClip'>
  /** The rate. Default: that of the finder. */
  lr?: number
  /** The fit ends when the validation loss was not lower for so many epochs. Default: it goes on. */
  patience?: number
  /** The net has members, [N, members, outputs]; each has its own loss, and their predictions are averaged. */
  members?: boolean
  /** Runs the fit, as on one thread alone. */
  run?<T>(fit: () => Promise<T>): Promise<T>
}

/** Trains a net of the learner, and keeps the weights of the epoch with the lowest validation loss. `made` makes the model of
 *  the net in eval mode. */
export async function fitLearned<C extends LearnedCard, M>(
  recipe: LearnedRecipe<C>,
  options: FitTableOptions,
  made: (net: nn.Module, card: C) => M,
): Promise<M> {
  const fit = new LearnedFit(recipe, options)
  try {
    await fit.run()
    return made(fit.net(), fit.card)
  } finally {
    fit.dispose()
  }
}

/** Where a fit stands between two steps. */
interface Progress {
  lr: number
  best?: number
  bestEpoch: number
  seconds: number
  learner?: LearnerProgress
}

class LearnedFit<C extends LearnedCard> {
  readonly card: C
  readonly #recipe: LearnedRecipe<C>
  readonly #options: FitTableOptions
  readonly #net: nn.Module
  readonly #learn: Learner
  readonly #epochs: number
  readonly #validValues: Float64Array
  readonly #sources: TableSource[]
  #best = new Map<string, Tensor>()
  #at: Progress = { lr: 0, bestEpoch: 0, seconds: 0 }
  #written = performance.now()

  constructor(recipe: LearnedRecipe<C>, options: FitTableOptions) {
    const { train, valid, seed, epochs } = options
    const { task, classes } = train.y
    const { kind } = recipe
    this.#recipe = recipe
    this.#options = options
    this.#epochs = epochs ?? recipe.epochsFor(train.x.rows)
    const values = trainedValues(train.y)
    this.#validValues = trainedValues(valid.y)
    const scale = task === 'regression' ? trainedScale(values, classes.length) : undefined
    this.card = { ...kind.cardOf(train, seed), scale }
    manualSeed(seed)
    this.#net = kind.netOf(this.card)
    const layout = kind.layoutOf(this.card)
    const source = (rows: LabelledRows, y: Float64Array, trains: boolean) =>
      new TableSource(kind.rowsOf(this.card, rows.x), y, { target: train.y, layout, seed, trains })
    this.#sources = [source(train, values, true), source(valid, this.#validValues, false)]
    const single = objective(task, classes, { scale })
    this.#learn = new Learner(
      {
        net: recipe.members ? predictingTogether(this.#net, task) : this.#net,
        groups: [{ name: 'net', modules: [this.#net] }],
      },
      {
        train: this.#sources[0]!,
        valid: this.#sources[1]!,
        classes,
        objective: recipe.members ? memberByMember(single) : single,
        batchSize: Math.min(train.x.rows, recipe.batchSizeFor(train.x.rows)),
        evalBatchSize: kind.rowsAtOnce,
        ...recipe.learning,
        seed,
      },
    )
  }

  async run(): Promise<void> {
    const { signal, state, onChoice } = this.#options
    const { schedule, kind, run = fit => fit() } = this.#recipe
    const going = state !== undefined && this.#resume(state)
    if (!going) {
      this.#at.lr = await this.#rate()
      this.#learn.seed()
    }
    try {
      const { lr } = this.#at
      if (!going || this.#at.learner?.fit)
        await run(() => this.#learn.fit(this.#epochs, { lr, schedule, signal, callbacks: [this.#watch()] }))
    } catch (error) {
      if (state && signal?.aborted) this.#store(state)
      throw error
    }
    if (state) this.#store(state)
    onChoice?.(
      kind.name,
      `its epoch ${this.#at.bestEpoch} of ${this.#learn.epoch} kept`,
      'the validation loss was lowest there',
    )
  }

  /** The learning rate: the user's, that of the recipe, or that of the finder. */
  async #rate(): Promise<number> {
    const { lr, signal, onFinder, onChoice } = this.#options
    const asked = lr ?? this.#recipe.lr
    if (asked !== undefined) return asked
    this.#learn.seed()
    const { lrs, smoothed, suggestions } = await lrFind(this.#learn, { signal })
    const chosen = suggestions.minimum
    const how =
      'a tenth of the rate of the lowest loss: a new net under one cycle takes a higher rate than a trained one'
    onFinder?.({ lrs, losses: smoothed, chosen, how })
    onChoice?.(`rate of ${this.#recipe.kind.name}`, rate(chosen), how)
    return chosen
  }

  /** Keeps the best weights, reports each epoch, and ends the fit in time. */
  #watch(): Callback {
    const { state, minutes = Number.POSITIVE_INFINITY, onStep, onChoice, valid } = this.#options
    const { kind, patience = Number.POSITIVE_INFINITY } = this.#recipe
    let validLoss = Number.NaN
    return {
      afterValidate: ({ probabilities }: Evaluation) => {
        const std = this.card.scale?.std ?? []
        validLoss = trainedLoss(Float64Array.from(probabilities), this.#validValues, valid.y, std)
      },
      afterEpoch: ({ epoch, trainLoss, seconds, lrs }) => {
        const best = !Number.isNaN(validLoss) && (this.#at.best === undefined || validLoss <= this.#at.best)
        if (best) this.#keepBest(validLoss, epoch)
        this.#at.seconds += seconds
        if (state && performance.now() - this.#written > 1000 * secondsBetweenStates) this.#store(state)
        const at = { epoch, epochs: this.#epochs, seconds: this.#at.seconds }
        onStep?.({ model: kind.name, ...at, trainLoss, validLoss, lrs, best })
        if (epoch === this.#epochs) return undefined
        if (epoch - this.#at.bestEpoch >= patience) {
          onChoice?.(kind.name, `ended after epoch ${epoch}`, `no lower validation loss for ${patience} epochs`)
          return 'stop'
        }
        if (this.#at.seconds <= 60 * minutes) return undefined
        onChoice?.(kind.name, `ended after epoch ${epoch}`, timeIsOver(minutes))
        return 'stop'
      },
    }
  }
  #keepBest(best: number, bestEpoch: number): void {
    Object.assign(this.#at, { best, bestEpoch })
    for (const t of this.#best.values()) t.dispose()
    this.#best = copyOf(this.#net.stateDict())
  }

  get #plan(): object {
    const { seed, train, valid, lr = null } = this.#options
    return { seed, rows: rowsDigest(train, valid), epochs: this.#epochs, lr, shape: this.card.shape }
  }
  #resume(folder: string): boolean {
    const found = readFitState<Progress>(folder, this.#recipe.kind.name, this.#plan)
    if (!found?.at.learner) return false
    this.#at = found.at
    this.#best = keep(under('best.', found.tensors))
    const learner = under('learner.', found.tensors)
    this.#learn.loadState({ ...found.at.learner, tensors: learner })
    return true
  }
  #store(folder: string): void {
    const { tensors, ...learner } = this.#learn.state({ copy: false })
    const all = new Map(Array.from(tensors, ([name, t]) => [`learner.${name}`, t]))
    for (const [name, t] of this.#best) all.set(`best.${name}`, t)
    writeFitState(folder, this.#recipe.kind.name, this.#plan, { at: { ...this.#at, learner }, tensors: all })
    this.#written = performance.now()
  }

  /** The net with the best weights, in eval mode. */
  net(): nn.Module {
    if (this.#best.size > 0) this.#net.loadStateDict(this.#best)
    return this.#net.eval()
  }

  dispose(): void {
    for (const t of this.#best.values()) t.dispose()
    for (const source of this.#sources) source.dispose()
    for (const t of this.#learn.optimizerTensors().values()) t.dispose()
  }
}

const copyOf = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  noGrad(() => scope(() => keep(new Map(Array.from(tensors, ([name, t]) => [name, t.detach().clone()])))))
