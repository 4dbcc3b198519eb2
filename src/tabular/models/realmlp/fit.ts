import { TrainingError } from '../../../base/errors.ts'
import { epochOrder } from '../../../data/sampler.ts'
import { F, generator, keep, keepMemory, noGrad, onOneThread, optim, scope, type Tensor } from '../../../torch/index.ts'
import { coslog, flatCosine } from '../../../train/rates/schedule.ts'
import { turn } from '../../../train/stop.ts'
import type { FitTableOptions } from '../../types.ts'
import { batchSizeFor } from '../batch-size.ts'
import { timeIsOver } from '../check.ts'
import { readFitState, rowsDigest, secondsBetweenStates, under, writeFitState } from '../state.ts'
import { type TrainedScale, trainedLoss, trainedScale, trainedValues } from '../targets.ts'
import { noisePool, noiseWindows, rowsAt, type TrainRows, targetTensor, withUnknown } from './batches.ts'
import { fitInputs, type InputRows, inputRows, widthsOf } from './inputs.ts'
import { outputsOf, Realmlp } from './model.ts'
import {
  hiddenWidths,
  type InputBatch,
  initialNet,
  inputTensors,
  parameterKinds,
  RealmlpNet,
  type RealmlpShape,
} from './net.ts'

const usualEpochs = 256
const weightDecay = 0.02
/** Rates of pytabkit's `RealMLP_TD_Classifier` and `RealMLP_TD_Regressor`. */
const usualRate = { single: 0.04, regression: 0.2 } as const
/** From so many nets in one product on, more threads pay: two nets take 104 s in place of 137 s. One net of 256 rows and 256 units
 *  steps faster on one thread than on two. */
const membersForThreads = 2
/** Rows that the first weights are fitted to. */
const initialRows = 16_384
/** Trains RealMLP-TD: a packed ensemble of `members` nets (default: 1). Keeps the weights of the epoch with the lowest
 *  validation loss; the last one of equals. The same rows, seed, threads and options give the same bits. */
export async function fitRealmlp(options: FitTableOptions): Promise<Realmlp> {
  keepMemory()
  const fit = new RealmlpFit(options)
  const { members = 1 } = options
  try {
    await (members < membersForThreads ? onOneThread(() => fit.run()) : fit.run())
    return fit.model()
  } finally {
    fit.dispose()
  }
}

/** Where a fit stands between two steps. */
interface FitProgress {
  epoch: number
  /** Batches of this epoch that are done, and the sum of their losses. */
  batch: number
  lossSum: number
  /** The lowest validation loss, and its epoch. */
  best?: number
  bestEpoch: number
  seconds: number
}

/** A fit between two steps. */
class RealmlpFit {
  readonly #options: FitTableOptions
  readonly #inputs
  readonly #scale: TrainedScale | undefined
  readonly #shape: RealmlpShape
  readonly #train: TrainRows
  readonly #valid: InputRows
  readonly #validValues: Float64Array
  readonly #net: RealmlpNet
  readonly #optimizer: optim.Optimizer
  readonly #epochs: number
  readonly #batchSize: number
  readonly #batches: number
  readonly #lr: number
  #best: Map<string, Tensor>
  #at: FitProgress = { epoch: 0, batch: 0, lossSum: 0, bestEpoch: 0, seconds: 0 }
  #written = performance.now()

  constructor(options: FitTableOptions) {
    const { train, valid, seed, epochs = usualEpochs, members = 1, lr } = options
    const { task, classes } = train.y
    this.#options = options
    this.#epochs = epochs
    this.#lr = lr ?? usualRate[task]
    this.#inputs = fitInputs(train.x)
    const values = trainedValues(train.y)
    this.#scale = task === 'regression' ? trainedScale(values, classes.length) : undefined
    this.#shape = {
      ...widthsOf(this.#inputs),
      members,
      outputs: classes.length,
      hidden: hiddenWidths,
      activation: task === 'single' ? 'selu' : 'mish',
    }
    const rows = inputRows(this.#inputs, train.x)
    this.#train = keep({ ...inputTensors(rows, this.#shape, 0, rows.rows), targets: targetTensor(values, this.#scale) })
    this.#valid = inputRows(this.#inputs, valid.x)
    this.#validValues = trainedValues(valid.y)
    this.#batchSize = Math.min(rows.rows, batchSizeFor(rows.rows))
    this.#batches = Math.floor(rows.rows / this.#batchSize)
    const draw = generator(seed % 2 ** 48)
    const some = this.#some(seed)
    this.#net = initialNet(this.#shape, some, draw)
    for (const t of Object.values(some)) t.dispose()
    this.#optimizer = optimizerOf(this.#net, this.#lr)
    this.#best = copyOf(this.#net.parameters)
  }

  /** Rows that the first weights are fitted to. */
  #some(seed: number): InputBatch {
    const order = epochOrder(this.#options.train.x.rows, seed, 0)
    const { dense, codes } = this.#train
    return keep(rowsAt({ dense, codes }, order.subarray(0, initialRows)))
  }

  async run(): Promise<void> {
    const { signal, minutes = Number.POSITIVE_INFINITY, onChoice, state } = this.#options
    if (state) this.#resume(state)
    while (this.#at.epoch < this.#epochs) {
      try {
        await this.#epoch(signal)
      } catch (error) {
        if (state && signal?.aborted) this.#store(state)
        throw error
      }
      if (state && performance.now() - this.#written > 1000 * secondsBetweenStates) this.#store(state)
      if (this.#at.seconds > 60 * minutes) {
        onChoice?.('realmlp', `ended after epoch ${this.#at.epoch}`, timeIsOver(minutes))
        break
      }
    }
    if (state) this.#store(state)
    onChoice?.(
      'realmlp',
      `its epoch ${this.#at.bestEpoch} of ${this.#epochs} kept`,
      'the validation loss was lowest there',
    )
  }

  /** What a resume state must be of. */
  get #plan(): Record<string, unknown> {
    const { seed, train, valid } = this.#options
    return {
      seed,
      rows: rowsDigest(train, valid),
      epochs: this.#epochs,
      lr: this.#lr,
      batchSize: this.#batchSize,
      shape: this.#shape,
    }
  }
  #resume(folder: string): void {
    const found = readFitState<FitProgress>(folder, 'realmlp', this.#plan)
    if (!found) return
    this.#at = found.at
    noGrad(() => {
      for (const [name, t] of this.#net.parameters) t.copy_(found.tensors.get(`net.${name}`)!)
      for (const [name, t] of this.#best) t.copy_(found.tensors.get(`best.${name}`)!)
    })
    const step = found.at.epoch * this.#batches + found.at.batch
    this.#optimizer.loadState({ step, tensors: under('optimizer.', found.tensors) })
    for (const t of found.tensors.values()) t.dispose()
  }
  #store(folder: string): void {
    scope(() => {
      const tensors = new Map<string, Tensor>()
      for (const [name, t] of this.#net.parameters) tensors.set(`net.${name}`, t)
      for (const [name, t] of this.#best) tensors.set(`best.${name}`, t)
      for (const [name, t] of this.#optimizer.state().tensors) tensors.set(`optimizer.${name}`, t)
      writeFitState(folder, 'realmlp', this.#plan, { at: this.#at, tensors })
    })
    this.#written = performance.now()
  }

  async #epoch(signal: AbortSignal | undefined): Promise<void> {
    const { seed } = this.#options
    const order = epochOrder(this.#options.train.x.rows, seed, this.#at.epoch + 1)
    const { epoch } = this.#at
    const at = { seed, epoch, progress: (epoch + 0.5) / this.#epochs }
    const rows = keep(scope(() => withUnknown(rowsAt(this.#train, order), this.#inputs, at)))
    const pool = keep(noisePool(this.#shape, this.#batchSize, at))
    try {
      let turned = performance.now()
      while (this.#at.batch < this.#batches) {
        const began = performance.now()
        this.#at.lossSum += this.#step(rows, pool)
        this.#at.batch++
        this.#at.seconds += (performance.now() - began) / 1000
        if (performance.now() - turned < 10) continue
        await turn(signal)
        turned = performance.now()
      }
      await turn(signal)
    } finally {
      for (const t of Object.values(rows)) t.dispose()
      pool?.dispose()
    }
    await this.#validate(signal)
  }
  #step(rows: TrainRows, pool: Tensor | undefined): number {
    const size = this.#batchSize
    const start = this.#at.batch * size
    const t = (this.#at.epoch * this.#batches + this.#at.batch) / (this.#epochs * this.#batches)
    this.#setRates(t)
    return scope(() => {
      const { epoch, batch: step } = this.#at
      const noise = pool && noiseWindows(pool, this.#shape, size, { seed: this.#options.seed, epoch, step })
      const batch = { dense: rows.dense.narrow(0, start, size), codes: rows.codes.narrow(0, start, size) }
      const raw = this.#net.forward(batch, noise)
      const loss = this.#loss(raw, rows.targets.narrow(0, start, size))
      loss.backward()
      this.#optimizer.step()
      this.#optimizer.zeroGrad()
      const value = loss.item()
      if (Number.isFinite(value)) return value / this.#shape.members
      throw new TrainingError(
        `realmlp: the loss is ${value} in epoch ${this.#at.epoch + 1} at the rate ${this.#lr}; train with a lower rate`,
      )
    })
  }
  #setRates(t: number): void {
    const lr = coslog(this.#lr)(t)
    const decay = flatCosine(weightDecay)(t)
    for (const [i, { rate, decays }] of Object.values(parameterKinds).entries()) {
      const group = this.#optimizer.groups[i]!
      group.lr = lr * rate
      group.weightDecay = decays ? decay : 0
    }
  }
  /** The sum of the members' losses. */
  #loss(raw: Tensor, targets: Tensor): Tensor {
    const { members, outputs } = this.#shape
    const each = targets.unsqueeze(0)
    if (this.#scale) return F.mse(raw, each.expand(members, this.#batchSize, outputs)).mul(members)
    const flat = raw.reshape(members * this.#batchSize, outputs)
    return F.crossEntropy(flat, each.expand(members, this.#batchSize).reshape(-1)).mul(members)
  }

  async #validate(signal: AbortSignal | undefined): Promise<void> {
    const { valid, onStep } = this.#options
    const began = performance.now()
    const predicted = await outputsOf(this.#net, this.#valid, this.#scale, signal)
    const validLoss = trainedLoss(predicted, this.#validValues, valid.y, this.#scale?.std ?? [])
    const at = this.#at
    const best = !Number.isNaN(validLoss) && (at.best === undefined || validLoss <= at.best)
    if (best)
      noGrad(() => {
        for (const [name, t] of this.#net.parameters) this.#best.get(name)!.copy_(t)
      })
    at.epoch++
    if (best) Object.assign(at, { best: validLoss, bestEpoch: at.epoch })
    at.seconds += (performance.now() - began) / 1000
    const trainLoss = at.lossSum / this.#batches
    Object.assign(at, { batch: 0, lossSum: 0 })
    onStep?.({
      model: 'realmlp',
      epoch: at.epoch,
      epochs: this.#epochs,
      trainLoss,
      validLoss,
      lrs: this.#optimizer.groups.map(group => group.lr),
      seconds: at.seconds,
      best,
    })
  }

  model(): Realmlp {
    const {
      train: { y },
    } = this.#options
    const net = new RealmlpNet(this.#shape, this.#best)
    this.#best = new Map()
    return new Realmlp(
      net,
      { format: 'anneal-realmlp', version: 1, shape: this.#shape, inputs: this.#inputs, scale: this.#scale },
      y,
    )
  }

  dispose(): void {
    for (const t of [...Object.values(this.#train), ...this.#best.values()]) t.dispose()
    for (const t of this.#optimizer.state().tensors.values()) t.dispose()
    this.#net.dispose()
  }
}

function optimizerOf(net: RealmlpNet, lr: number): optim.Optimizer {
  const groups = Object.entries(parameterKinds).map(([kind, { rate }]) => ({
    params: [...net.parameters].filter(([name]) => RealmlpNet.kindOf(name) === kind).map(([, t]) => t),
    lr: lr * rate,
  }))
  return optim.adamw(groups, { betas: [0.9, 0.95], eps: 1e-8 })
}
const copyOf = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  noGrad(() => scope(() => keep(new Map(Array.from(tensors, ([name, t]) => [name, t.detach().clone()])))))
