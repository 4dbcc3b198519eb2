import { TrainingError } from '../base/errors.ts'
import { rng } from '../base/random.ts'
import { aten, autocast, noGrad, type optim, scope, type Tensor } from '../torch/index.ts'
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
}

/** The interface of the learner for a step. */
export interface Stepping extends Training {
  readonly options: LearnerSettings & {
    batchTransforms?: readonly BatchTransform[] | undefined
    gradClip?: number | undefined
  }
  trainMode(): void
}

/** Whether the rest of a batch is skipped. */
const leaves = (answers: Answers): boolean =>
  answers.has('skip batch') || answers.has('skip train') || answers.has('skip epoch') || answers.has('cancel')

/** One step over these samples: batch, net, loss, backward, optimizer, with an event for each. Frees all tensors that
 *  it makes. */
export function takeStep(learn: Stepping, samples: Uint32Array, place: StepPlace, tools: StepTools): StepResult {
  learn.trainMode()
  const result: StepResult = { stepped: false, answers: new Set() }
  scope(() => {
    const batch = firstBatch(learn, samples, place) as LossBatch
    const hear = (name: EventName): Answers => {
      const answers = tools.events.now(name, batch, learn)
      for (const answer of answers) result.answers.add(answer)
      return answers
    }
    if (!forward(learn, batch, hear)) return
    const backwards = hear('beforeBackward')
    if (leaves(backwards)) return
    const made = !backwards.has('skip backward')
    if (made) backward(batch.loss, tools)
    result.loss = plainLoss(learn, batch) // a GPU runs backward while this waits for the loss
    const finite = made && tools.scaler ? tools.scaler.unscale(gradients(tools.optimizer)) : true
    if (leaves(hear('afterBackward'))) return
    result.stepped = update(learn, tools, hear, finite && Number.isFinite(result.loss))
  })
  return result
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

/** The tensors of the samples, after the batch transforms. */
function firstBatch(learn: Stepping, samples: Uint32Array, place: StepPlace): InputBatch {
  const { x, y } = learn.train.batch(samples, place.epoch)
  const { batchTransforms = [], seed } = learn.options
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

/** Computes the gradients of the loss, and adds them to those of earlier batches if a callback skipped their step. */
function backward(loss: Tensor, tools: StepTools): void {
  const { optimizer, scaler } = tools
  if (!tools.accumulating) optimizer.zeroGrad()
  else if (scaler) {
    const before = gradients(optimizer) // scaled like the gradients that are added to them
    if (before.length > 0) noGrad(() => aten._foreach_mul_(before, scaler.state.scale))
  }
  tools.accumulating = true
  ;(scaler?.scaled(loss) ?? loss).backward()
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
