import { bool, choice, int, list, number, or, path, text } from '../base/option-kinds.ts'
import { group, type Options, type TakenBy } from '../base/option-table.ts'
import type { labelOptions } from '../data/labels/options.ts'

const trains = ['train', 'demo', 'learner'] as const
/** The commands that run all five steps; with `learner` its user runs them. */
const wholeRun = ['train', 'demo'] as const
const rate = () => number({ above: 0, to: 100 }, 'a rate')
/** The batch size of training and of evaluation. */
export const batchOption = (least: number) => int(least, 4096).flag('--batch <n>').default(32)
/** The device to compute on. */
export const deviceOption = () =>
  text('cpu, cuda, cuda:1 or mps', 'devices', /^(cpu|cuda(:\d+)?|mps)$/)
    .flag('--device <name>')
    .example('cpu')

// biome-ignore format: one option, one line or two
/** The recipe: the model, its steps and their rates, and what comes after them. */
export const recipeOptions = {
  ...group('Model', trains, {
    model: text('the name of a model').flag('--model <name>').on(...wholeRun).default('auto', 'nets whose weights can be had are compared on the training samples, within the minutes')
      .says('the model by name, or auto'),
    weights: path('the path of a file of weights').flag('--weights <file>').example('resnet34.pth')
      .says('a file of pretrained weights of this model, .safetensors or .pth; or the folder of a run, whose body is trained on'),
    pretrained: bool().flag('--no-pretrained', 'start from random weights and train the whole net at once').default(true, 'few samples are enough to fine-tune, but not to train from random weights')
      .says('start from pretrained weights; false: from random weights, and train the whole net at once'),
    hidden: list(int(1, 65536)).flag('--hidden <widths>').example([512]).otherwise('none', 'a linear head has an optimum that can be found')
      .says('the widths of hidden layers in the head: 512 is what fastai has'),
    dropout: number({ from: 0, below: 1 }, 'a share').flag('--dropout <share>').default(0.5, "fastai's")
      .says('the dropout of the head'),
    bnFreeze: bool().flag('--[no-]bn-freeze', 'update them with each batch').otherwise('below 20,000 samples, or 32 per batch', 'statistics of few samples are worse than those of pretraining')
      .says('keep the statistics of BatchNorm while the whole net trains'),
  }),
  ...group('Steps', wholeRun, {
    quality: choice('quick', 'good', 'best').flag('--quality <level>').default('good', 'the head, then one cycle of the whole net')
      .says('quick: the head alone, in seconds; good: one cycle of the whole net, in minutes; best: five such nets with other seeds, averaged into one'),
    epochs: int(0).flag('--epochs <n>').otherwise('7,000 samples, but 4 to 32 epochs; 8 over random weights', 'small sets need many epochs to make enough steps').example(8)
      .says('train the whole net for at most this many epochs; 0 trains the head alone'),
    minutes: number({ above: 0 }, 'a number of minutes').flag('--minutes <n>').example(30)
      .says('start no new cycle after this many minutes'),
    views: int(0, 64).flag('--views <n>').otherwise('4; 0 over random weights', 'there is no such phase over random weights').example(4)
      .says('augmented views of each sample that the frozen body sees'),
    headCycles: int(1, 1000).flag('--head-cycles <n>').default(3)
      .says('train the head for this many cycles of one epoch'),
    cycleLen: int(1).flag('--cycle-len <epochs>').otherwise('all epochs in one cycle; 2 over random weights', 'one long cycle over pretrained weights beats several short ones').example(2)
      .says('the epochs of the first cycle of the whole net'),
    cycleMult: number({ from: 1 }).flag('--cycle-mult <n>').otherwise('1, more where the net underfits').example(2)
      .says('how many times longer each cycle is than the one before'),
    batchSize: batchOption(2).on(...trains).example(32).otherwise('16 below 2,000 training samples over pretrained weights, else 32', 'with few samples the number of steps counts more; fewer where a step needs more memory than is free')
      .says('the batch size: samples per step'),
  }),
  ...group('Learning rates and loss', trains, {
    lr: or(rate(), list(rate(), { least: 1 })).flag('--lr <rate>').on(...wholeRun).otherwise('5e-4 for the body and 2e-4 for the head over pretrained weights, else found', 'rates of AdamW at batches of 16, chosen on many data sets').example(1e-3)
      .says('the learning rate of the whole net, or one per layer group: 1e-5,1e-4,1e-3'),
    headLr: rate().flag('--head-lr <rate>').on(...wholeRun).example(1e-2).otherwise('found', 'a learning rate finder runs first')
      .says('the learning rate of the head while the body is frozen'),
    factor: number({ from: 1, to: 1000 }).flag('--factor <n>').on(...wholeRun).otherwise('2.5; for SGD by --like', 'AdamW divides each gradient by its size, so a small ratio is enough').example(3)
      .says('how many times lower the learning rate of each earlier layer group is'),
    like: or(choice('auto', 'imagenet', 'different'), number({ from: 1, to: 1000 }, 'a factor')).flag('--like <what>').on(...wholeRun).default('auto', 'for SGD measured on the BatchNorm statistics of the body; for AdamW a factor of 2.5').example('imagenet')
      .says('what the data are like: imagenet (factor 3), different (factor 10: medical or satellite images), or the factor itself'),
    optimizer: choice('adamw', 'adam', 'sgd').flag('--optimizer <name>').default('adamw', 'it needs the least tuning')
      .says('the optimizer'),
    weightDecay: number({ from: 0, below: 10 }).flag('--weight-decay <n>').default(0.01, "fastai's")
      .says('the weight decay'),
    labelSmoothing: number({ from: 0, below: 1 }, 'a share').flag('--label-smoothing <share>').otherwise('0.1 for the whole net, 0 for the head').example(0.1)
      .says('label smoothing'),
    loss: choice('auto', 'focal', 'mse', 'mae', 'huber').flag('--loss <name>').otherwise('auto: cross-entropy, a sigmoid per label, mse', 'what fits the task')
      .says('the loss: focal; for regression mse, mae or huber'),
    classWeights: or(choice('balanced', 'effective'), list(number({ from: 0 }), { of: 'one per class' })).flag('--class-weights <how>').example('balanced')
      .says('make errors in rare classes cost more: balanced, effective, or one number per class'),
    sampling: choice('balanced').flag('--sampling <how>')
      .says('balanced: samples of rare classes are seen more often'),
    gradClip: number({ above: 0 }).on('learner').example(1)
      .says('clip the norm of all gradients together to this'),
    averageSteps: int(0).on('learner').default(0)
      .says('keep an exponential average of the weights over about this many steps, and validate with it'),
  }),
  ...group('After training', wholeRun, {
    thresholdFor: choice('f1', 'f2', 'f0.5', 'accuracy').flag('--threshold-for <metric>').default('f1')
      .says('multi-label: the metric that the thresholds are chosen for'),
    snapshots: bool().flag('--snapshots').says('keep the weights at the end of each cycle, and save the mean of their predictions as a model'),
    swa: bool().flag('--swa').says('try the mean of the weights at the ends of all cycles'),
    tta: or(bool(), int(1, 64)).flag('--tta [views]').example(4)
      .says('evaluate with test-time augmentation too, over 4 augmented views or as many as given'),
    ttaMax: bool().flag('--tta-max').says('take the maximum over the views instead of their mean'),
  }),
  ...group('Run', trains, {
    precision: choice('auto', 'float32', 'bfloat16', 'float16').flag('--precision <type>').default('auto', 'the faster one, measured on this machine')
      .says('the number type of convolutions and matrix products'),
    device: deviceOption().otherwise('a CUDA GPU where there is one')
      .says('the device: cpu, cuda, cuda:1, or mps (the GPU of a Mac); models of tables train on the CPU, and take cpu alone'),
    gradients: choice('float32', 'bfloat16').flag('--gradients <type>').on('train', 'learner').default('float32')
      .says('over several processes: the type in which they send each other gradients; bfloat16 sends half the bytes')
    ,
    syncBn: bool().flag('--sync-bn').on('train', 'learner')
      .says('over several processes: BatchNorm takes its statistics from the batches of all of them')
    ,
    out: path('the path of a folder').flag('--out <folder>').on(...wholeRun).otherwise('runs/DATE-MODEL-N').example('runs/first')
      .says('the folder of the run'),
  }),
}

/** The options of the five steps, whatever the kind of data, with those of labels and splits. */
export type RecipeOptions = Options<TakenBy<typeof labelOptions & typeof recipeOptions, 'train'>>

/** Whether the head is trained over the frozen body before the whole net: yes over pretrained weights; over random
 *  weights only if the settings ask for it, since the features of a random body are of little use. */
export const beginsFrozen = ({ pretrained = true, epochs, views, headCycles, headLr }: RecipeOptions): boolean =>
  pretrained || epochs === 0 || [views, headCycles, headLr].some(asked => asked !== undefined)

/** Whether BatchNorm keeps its statistics while the whole net trains. Default: yes with few samples or small batches,
 *  where batch statistics cost 5 to 7 points of accuracy; no over random weights, which have no statistics yet. */
export const keepsStatistics = (
  { bnFreeze, pretrained = true }: Pick<RecipeOptions, 'bnFreeze' | 'pretrained'>,
  { samples, batchSize }: { samples: number; batchSize: number },
): boolean => bnFreeze ?? (pretrained && (samples < 20_000 || batchSize < 32))
