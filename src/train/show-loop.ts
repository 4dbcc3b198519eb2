import { type EventName, type Events, events, nameOf } from './loop-events.ts'

/** The optional parts of a learner's step. */
export interface LoopParts {
  batchTransforms: number
  gradClip?: number | undefined
  averages: boolean
}

/** The training loop as text: what runs, in order, with the callbacks after each event. */
export function trainingLoop(heard: Events, { batchTransforms, gradClip, averages }: LoopParts): string {
  const step = [
    'x, y = train.batch(samples, epoch)',
    ...(batchTransforms ? ['x = batchTransforms(x)'] : []),
    'beforeBatch',
    'prediction = net(x)',
    'afterPrediction',
    'loss = loss(prediction, y)',
    'afterLoss',
    'beforeBackward',
    'loss.backward()',
    'afterBackward',
    ...(gradClip === undefined ? [] : [`clip gradients to a norm of ${gradClip}`]),
    'beforeStep',
    'optimizer.step()',
    'afterStep',
    'beforeZeroGrad',
    'optimizer.zeroGrad()',
    ...(averages ? ['average.update()'] : []),
    'afterBatch',
  ]
  const validation = [
    'x, y = valid.batch(samples)',
    'beforeValidationBatch',
    'prediction = net(x)',
    'afterValidationBatch',
  ]
  const epoch = [
    'beforeEpoch',
    'beforeTrain',
    'for each batch:',
    ...indented(step),
    'afterTrain',
    'beforeValidate',
    'for each validation batch:',
    ...indented(validation),
    'afterValidate',
    'afterEpoch',
  ]
  const lines = ['beforeFit', 'for each epoch:', ...indented(epoch), 'afterFit']
  return lines.map(line => withCallbacks(line, heard)).join('\n')
}

const indented = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`)

function withCallbacks(line: string, heard: Events): string {
  const name = line.trim()
  if (!Object.hasOwn(events, name)) return line
  const names = heard.hearing(name as EventName).map(nameOf)
  return names.length > 0 ? `${line.padEnd(28)}  ← ${names.join(', ')}` : line
}
