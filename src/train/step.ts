import { TrainingError } from '../base/errors.ts'
import { rng } from '../base/random.ts'
import type { GradientSum } from '../ranks/gradients.ts'
import type { Ranks, Share } from '../ranks/ranks.ts'
import { shareStatistics } from '../ranks/statistics.ts'
import { aten, autocast, manualSeed, nn, noGrad, type optim, scope, type Tensor } from '../torch/index.ts'
import type { InputBatch, LossBatch, PredictedBatch, Training } from './callback.ts'
import type { BatchTransform, LearnerSettings } from './learner-options.ts'
import type { Answer, Answers, EventName, Events } from './loop-events.ts'

/** The tools that the steps of one fit share. */
export interface StepTools {
  readonly optimizer: optim.Optimizer
  readonly events: Events
  /** For float16. */
  readonly scaler: optim.GradScaler | undefined
  /** Whether gradients of earlier batches are kept, because a callback skipped the step: new ones are added to them. */
  accumulating: boolean
  /** Sums the gradients over several ranks; absent where there is one. */
  readonly gradients?: GradientSum | undefined
  /** Whether this rank was asked to stop: then all of them do, after the same step. */
  readonly stopping?: (() => boolean) | undefined
}

/** The place of a step in its fit: see `InputBatch`. */
export type StepPlace = Pick<InputBatch, 'epoch' | 'step' | 'number' | 'of' | 'progress'>

/** The result of a step. */
export interface StepResult {
  /** The plain loss before the step; absent if a callback skipped the batch before its backward. */
  loss?: number
  /** All answers of callbacks. */
  answers: Set<Answer>
  /** Whether the optimizer ran; false if a callback skipped it. */
  stepped: boolean
  /** Whether a rank was asked to stop. */
  stop?: boolean
}

/** The interface of the learner for a step. */
export interface Stepping extends Training {
  readonly options: LearnerSettings & {
    batchTransforms?: readonly BatchTransform[] | undefined
    syncBn?: boolean | undefined
    gradClip?: number | undefined
  }
  readonly ranks: Ranks
  trainMode(): void
  /** The sum of the class weights of these targets, where the mean loss is divided by it. */
  weightOf(y: Tensor): number | undefined
}

/** Whether the rest of a batch is skipped. */
const leaves = (answers: Answers): boolean =>
  answers.has('skip batch') || answers.has('skip train') || answers.has('skip epoch') || answers.has('cancel')

/** One step over these samples: batch, net, loss, backward, optimizer, with an event for each. Frees all tensors that
 *  it makes. Of several ranks each computes its share of the samples; loss and gradients are those of all of them. */
export function takeStep(learn: Stepping, samples: Uint32Array, place: StepPlace, tools: StepTools): StepResult {
  learn.trainMode()
  const { ranks } = learn
  // The masks of dropout differ by rank, and a step that is repeated after a stop draws the same.
  if (!ranks.alone) manualSeed(((learn.options.seed * 7919 + place.step) % 2 ** 40) * 4096 + ranks.rank)
  const result: StepResult = { stepped: false, answers: new Set() }
  const share = ranks.share(samples)
  const copies = share.samples.length === samples.length ? ranks.size : 1
  const over = learn.options.syncBn && !ranks.alone ? { group: ranks.name, copies } : undefined
  const inStep = () => {
    const batch = firstBatch(learn, samples, share, place) as LossBatch
    const hear = (name: EventName): Answers => {
      const answers = tools.events.now(name, batch, learn)
      for (const answer of answers) result.answers.add(answer)
      return answers
    }
    if (!forward(learn, batch, hear)) return
    const backwards = hear('beforeBackward')
    if (leaves(backwards)) return
    const made = !backwards.has('skip backward')
    if (made) backward(batch.loss, tools, ranks.alone ? 1 : lossShare(learn, batch.y, share.weight))
    result.loss = plainLoss(learn, batch) // a GPU runs backward while this waits for the loss
    if (!ranks.alone) {
      const [loss, stops] = ranks.sumNumbers([result.loss * share.weight, tools.stopping?.() ? 1 : 0])
      result.loss = loss!
      result.stop = stops! > 0
      if (!over) shareStatistics(ranks, learn.network.net)
    }
    const finite = made && tools.scaler ? tools.scaler.unscale(gradients(tools.optimizer)) : true
    if (leaves(hear('afterBackward'))) return
    result.stepped = update(learn, tools, hear, finite && Number.isFinite(result.loss))
  }
  scope(() => {
    const undo = ranks.alone ? undefined : undoOf(learn, tools)
    try {
      nn.withSyncedNorm(over, () => scope(inStep))
    } catch (error) {
      undo?.()
      throw error
    }
  })
  return result
}

/** Takes back what a step has changed before its update, if another rank is gone in the middle of it: the statistics of
 *  BatchNorm, and a part of the gradients. The state that is saved then is that before the step, which is done again. */
function undoOf(learn: Stepping, tools: StepTools): () => void {
  const buffers = Array.from(learn.network.net.namedBuffers(), ([, t]) => t)
  const before = noGrad(() => buffers.map(b => b.clone()))
  const began = !tools.accumulating
  return () => {
    noGrad(() => {
      for (const [i, b] of buffers.entries()) b.copy_(before[i]!)
    })
    if (!began) return // gradients of earlier batches, to which this one is added
    tools.optimizer.zeroGrad()
    tools.accumulating = false
  }
}

/** Computes prediction and loss of the batch; false if a callback skips the rest of the batch. */
function forward(learn: Stepping, batch: LossBatch, hear: (name: EventName) => Answers): boolean {
  if (leaves(hear('beforeBatch'))) return false
  const { network, options } = learn
  batch.prediction = autocast(options.precision, () => network.net(batch.x), network).to('float32')
  if (leaves(hear('afterPrediction'))) return false
  batch.loss = lossOf(learn, batch)
  return !leaves(hear('afterLoss'))
}

/** Runs the optimizer; false if a callback skips it. */
function update(
  { options: { gradClip } }: Stepping,
  tools: StepTools,
  hear: (name: EventName) => Answers,
  finite: boolean,
): boolean {
  const { optimizer } = tools
  if (gradClip !== undefined) clipGradients(optimizer, gradClip)
  const step = hear('beforeStep')
  if (leaves(step)) return false
  if (finite && !step.has('skip step')) {
    optimizer.step()
    if (leaves(hear('afterStep'))) return true
  }
  const zero = hear('beforeZeroGrad')
  if (!leaves(zero) && !zero.has('skip zero-grad')) {
    optimizer.zeroGrad()
    tools.accumulating = false
  }
  return !step.has('skip step')
}

/** The tensors of a rank's share of a batch, after the batch transforms. */
function firstBatch(
  { train, options }: Stepping,
  whole: Uint32Array,
  { samples, rows }: Share,
  place: StepPlace,
): InputBatch {
  const shared = samples.length < whole.length
  const { x, y } = shared && train.part ? train.part(whole, rows, place.epoch) : train.batch(samples, place.epoch)
  const { batchTransforms = [], seed } = options
  const changed = (x: Tensor, transform: BatchTransform, i: number) => {
    const random = rng(seed, place.epoch, samples[0] ?? 0, transformPurpose + i)
    return transform(x, { samples, epoch: place.epoch, random })
  }
  return { samples, ...place, x: batchTransforms.length ? noGrad(() => batchTransforms.reduce(changed, x)) : x, y }
}
/** Higher than all other purposes of `rng`. */
const transformPurpose = 1000

function lossOf(learn: Stepping, { prediction, y }: PredictedBatch): Tensor {
  const loss = learn.loss(prediction, y)
  if (loss.numel === 1) return loss
  throw new TrainingError(
    `the training loss must be one number, got [${loss.shape}] of outputs [${prediction.shape}]; take its mean`,
  )
}

/** The weight of this rank's mean loss in that of the whole batch. */
function lossShare(learn: Stepping, y: Tensor, share: number): number {
  const own = learn.weightOf(y)
  if (own === undefined) return share
  const [all] = learn.ranks.sumNumbers([own])
  return all! > 0 ? own / all! : share
}

/** Computes the gradients of the loss, and adds them to those of earlier batches if a callback skipped their step.
 *  `share`: of the loss in that of all ranks. */
function backward(loss: Tensor, tools: StepTools, share: number): void {
  const { optimizer, scaler } = tools
  if (!tools.accumulating) optimizer.zeroGrad()
  else if (scaler) {
    const before = gradients(optimizer) // scaled like the gradients that are added to them
    if (before.length > 0) noGrad(() => aten._foreach_mul_(before, scaler.state.scale))
  }
  tools.accumulating = true
  const scaled = scaler?.scaled(loss) ?? loss
  if (tools.gradients) tools.gradients.during(() => (share === 1 ? scaled : scaled.mul(share)).backward())
  else scaled.backward()
}

/** The loss that is reported: without smoothing, weights and focus, so that it can be compared with the validation
 *  loss. */
function plainLoss({ options: { objective } }: Stepping, { prediction, y, loss }: LossBatch): number {
  return Number.isFinite(loss.item()) ? objective.plainLoss(prediction.detach(), y).item() : Number.NaN
}

const gradients = (optimizer: optim.Optimizer): Tensor[] =>
  optimizer.groups.flatMap(g => g.params.flatMap(p => p.grad ?? []))

function clipGradients(optimizer: optim.Optimizer, most: number): void {
  const grads = gradients(optimizer)
  const norm = Math.sqrt(grads.reduce((sum, g) => sum + g.mul(g).sum().item(), 0))
  if (norm > most) noGrad(() => aten._foreach_mul_(grads, most / norm))
}
