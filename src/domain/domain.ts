import type { Choice, ClassCount, Item, Problem, Split, Task } from '../data/types.ts'
import type { Interpretation } from '../runs/index.ts'
import type { Tensor } from '../torch/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import type { Computed } from '../train/measure-kernels.ts'
import type { Body, Network } from '../train/network.ts'
import type { Objective } from '../train/objective.ts'
import type { PairSettings } from '../train/pairs.ts'
import type { ModelCard } from '../train/saved-model.ts'
import type { LabelledSource, Source } from '../train/source.ts'
import type { DomainContext } from './narrator.ts'

/** Labelled samples as they were found. Only their labels have been read. */
export interface Index {
  /** Absolute path of the folder or file that holds them. */
  dir: string
  task: Task
  /** Names of the classes; of the targets for the task `regression`. */
  classes: string[]
  items: Item[]
  /** Decisions about the labels, with their reasons. */
  choices: Choice[]
}

/** Labelled samples whose content has been read. Those that can't be used are in `problems` and not in `items`. */
export interface Dataset<I extends Item = Item> extends Omit<Index, 'items'> {
  items: I[]
  /** Samples of each class in each split; empty for the task `regression`. */
  counts: ClassCount[]
  problems: Problem[]
  of(split: Split): I[]
  /** 64 hexadecimal digits that change only if a sample, a label, the order or the split changes. */
  fingerprint: string
}

/** The words for a sample in messages: `picture`, `pictures`. */
export interface Words {
  one: string
  many: string
  /** A size in words: `224 px`. */
  size(size: number): string
}

/** How samples become batches. */
export interface SourceOptions {
  /** Augment the samples differently each epoch. */
  augmented?: boolean
  /** Mix the samples of a batch, if the options ask for it (MixUp, CutMix). */
  mixed?: boolean
}

/** Samples as inputs of the network, at one size. `P`: the preprocessing that the model card stores. */
export interface Inputs<P = unknown> {
  preprocessing: P
  source(split: Split, options?: SourceOptions): LabelledSource & { items: readonly Item[] }
  /** The samples that train or validate, each once and in an order that does not depend on the split: those of like
   *  length together, say. For a domain that augments nothing: its frozen features are then computed once for all folds. */
  both?(): Source & { items: readonly Item[] }
  /** A small picture of a sample as a JPEG in base64; empty if there is nothing to show. */
  show(item: Item): Promise<string>
  /** Finds samples that are nearly the same. features: [N × F] of the frozen body, in the order of `items`. */
  nearlySame?(
    features: Float32Array,
    items: readonly Item[],
    options: { signal?: AbortSignal | undefined },
  ): Promise<NearlySame>
  /** The part of the interpretation that is specific to this kind of data: samples as the network sees them, heat
   *  maps. The evaluation is of samples; its `rows` are of their parts, where samples have several. */
  interpret?(
    net: Trained,
    evaluation: Evaluation & { rows: Evaluation },
    found: Interpretation,
  ): Promise<Partial<Interpretation>>
}

/** A trained network, and the precision that it computes in. */
export interface Trained extends Pick<Computed, 'precision'> {
  net: Network
  classes: readonly string[]
}

/** A network with its head, before its first training step. */
export interface Ready<B extends Body = Body> extends Computed {
  net: Network<B>
  device: string
  seed: number
}

/** The inputs of training, after their augmentation is chosen. */
export interface ChosenInputs<P = unknown> {
  /** The augmentation as plain data; cached features depend on it. */
  augmentation: unknown
  /** Whether nothing is augmented. */
  plain: boolean
  at(size: number): Promise<Inputs<P>>
}

/** Opened data and model: all that a run needs from its domain. */
export interface Opened<B extends Body = Body, P = unknown> {
  data: Dataset
  /** The sha256 of a sample's content. */
  hash(item: Item): string
  modelName: string
  /** The network without its head; pretrained weights are loaded. */
  body: B
  /** Sizes to train at, one after another: sides of pictures in pixels, lengths of texts. One for data without
   *  sizes. */
  sizes: readonly number[]
  /** A size to predict at, used if it validates no worse than the training size. */
  testSize?: number | undefined
  /** The size at which the speed of kernels is measured. */
  measuredAt: number
  /** How to train the body by pairs of samples, where there are few of them. Absent: never. */
  pairs?: PairsPlan | undefined
  /** The shape of one input, without the batch. */
  shape(size: number): readonly number[]
  /** Inputs like the real ones, to measure speed and memory with, on the CPU. Default: random numbers of that shape. */
  noise?(size: number, batch: number): Tensor
  /** Chooses the augmentation, and makes inputs of any size. */
  inputs(ready: Ready<B>): Promise<ChosenInputs<P>>
}

/** Whether and how the body is trained by pairs of samples before the whole net (`train/pairs.ts`). */
export interface PairsPlan extends PairSettings {
  /** Tried where a class has fewer training samples than this on average. */
  below: number
  /** Whether the options ask for it or forbid it. */
  asked?: boolean | undefined
  /** With fewer training samples of a class than `below`, folds would train on too few of them to tell: the body is trained by pairs
   *  with these steps and this rate, and is not compared. Absent: always compared. */
  few?: { below: number; steps: number; rate: number } | undefined
  /** Its option. */
  option: string
}

/** How different these samples are from the data of pretraining, as a factor: how many times lower the learning rate of
 *  each earlier layer group is. */
export interface Likeness {
  factor: number
  reason: string
}

/** Labelled samples to evaluate a saved model on. */
export interface ToEvaluate<P = unknown> {
  data: Dataset
  hash(item: Item): string
  /** The test samples as a member of the model takes them. */
  source(card: ModelCard<P>): Promise<LabelledSource>
}

/** Pairs and groups of samples that are nearly the same, by sample number. */
export interface NearlySame {
  pairs: readonly { a: number; b: number; similarity: number }[]
  groups: readonly (readonly number[])[]
}

/** What is usual for nets of one kind of data, where it differs from what is usual for pictures. */
export interface Usual {
  /** AdamW's rates of the whole net over a trained head, for batches of 16: of the last group of the body and of the
   *  head; each earlier group's is `ratio` times lower. */
  rates: { body: number; head: number; ratio: number; why: string }
  /** The epochs of the first cycle of the whole net. */
  epochs(samples: number): number
  /** The share of a cycle in which the rate rises. */
  warmup: number
  labelSmoothing: number
}

/** A kind of data: pictures, rows, texts. The five steps use the data only through their domain. `O`: its options; `B`:
 *  its networks' bodies; `P`: its preprocessing, as a card stores it; `In`: the input of a prediction; `E`: the options
 *  of an evaluation. */
export interface Domain<O = object, B extends Body = Body, P = unknown, In = unknown, E = object> {
  /** Its name in cards and configurations. */
  readonly name: string
  readonly words: Words
  /** Whether several processes may train on it together. */
  readonly overRanks?: boolean
  /** What Anneal expects at a path that does not exist, in words. */
  expected(path: string): string
  /** Finds the labelled samples and their splits. It must be cheap: it is called before anything is downloaded or
   *  decoded. */
  index(path: string, options: O): Promise<Index>
  /** Chooses the model, reads the samples, and makes the body with its pretrained weights. */
  open(index: Index, context: DomainContext<O>): Promise<Opened<B, P>>
  /** Builds the network that a card describes; its weights are loaded afterwards. */
  build(card: ModelCard<P>, device: string): Network<B>
  isPreprocessing(value: unknown): value is P
  /** Finds samples to evaluate a saved model on; all of them are in the split `test`. */
  openForEvaluation(path: string, card: ModelCard<P>, context: DomainContext<E>): Promise<ToEvaluate<P>>
  /** Makes one batch of inputs for the network. */
  batch(inputs: readonly In[], preprocessing: P, options: { device?: string | undefined }): Promise<Tensor>
  readonly usual?: Usual
  /** What each level of quality usually brings, by a bench on many sets of this kind of data. */
  readonly brings?: Readonly<Record<'quick' | 'good' | 'best', string>>
  /** The network's input for one sample that has several rows (the windows of a long recording), in batches [n, …]: the
   *  prediction is the mean over all of them. Without it each input is one row of `batch`. */
  rows?(input: In, preprocessing: P, options: { device?: string | undefined }): AsyncIterable<Tensor>
  /** Measures how different the training samples are from the data of pretraining. Without it the factor is 3. */
  likeness?(measured: {
    net: Network<B>
    train: LabelledSource
    valid: LabelledSource
    objective: Objective
    /** The score of the trained head on `valid`. */
    score: number
    signal?: AbortSignal | undefined
  }): Promise<Likeness>
}
