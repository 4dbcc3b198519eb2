import { choice, int } from '../base/option-kinds.ts'
import { group, type OptionEntry, type Options, type OptionTable, takenBy } from '../base/option-table.ts'
import { evaluationOptions, labelOptions, labelSourceOptions, splitOptions } from '../data/labels/options.ts'
import type { ModelName } from '../models/index.ts'
import { batchOption, deviceOption, recipeOptions } from '../recipes/options.ts'
import { soundOptions } from '../sound/options.ts'
import { textOptions } from '../text/options.ts'
import { pictureOptions, sheetOptions } from '../vision/options.ts'

// biome-ignore format: one option, one line or two
const kindOption = group('Labels', ['train'], {
  kind: choice('images', 'sounds', 'texts').flag('--kind <what>').otherwise('found by the names of the files', 'a folder with other files beside the samples needs it')
    .says('what the samples are'),
})

/** All options of training. `trainFolder`, `learner`, `anneal train` and `anneal demo` each take a part of them. */
export const trainingOptions = {
  ...labelOptions,
  ...pictureOptions,
  ...soundOptions,
  ...textOptions,
  ...recipeOptions,
  model: modelOption(recipeOptions.model),
  ...kindOption,
}

/** The name of a net for pictures or sounds, `auto`, or the path of a checkpoint for texts, with a slash: `./e5-small`. */
export type NamedModel = ModelName | 'auto' | 'speech-embedding' | `${string}/${string}`

/** The option with the names of the nets for pictures in its type; texts take the path of a checkpoint too. */
function modelOption<W extends string>(option: OptionEntry<string, W>): OptionEntry<NamedModel, W> {
  return option as unknown as OptionEntry<NamedModel, W>
}

const precisionAfter = () =>
  choice('float32', 'bfloat16')
    .flag('--precision <type>')
    .otherwise('as the model was validated, where this machine has instructions for it')
    .says('the number type of convolutions and matrix products')

const { labelOf: _, ...labelFlags } = labelSourceOptions
const { splitColumn, groupColumn, groupRegex, timeColumn } = splitOptions
/** What `anneal shard` takes: the labels and parts that it writes. */
const shardLabels = { ...labelFlags, splitColumn, groupColumn, groupRegex, timeColumn }

// biome-ignore format: one option, one line or two
/** The tables of options by command. `anneal COMMAND --help` and docs/options.md are made from them. */
export const optionTables = {
  train: takenBy(trainingOptions, 'train'),
  demo: takenBy(trainingOptions, 'demo'),
  learner: takenBy(trainingOptions, 'learner'),
  evaluate: {
    ...takenBy(labelOptions, 'evaluate'),
    ...evaluationOptions,
    ...takenBy(textOptions, 'evaluate'),
    ...group('Run', ['evaluate'], {
      batchSize: batchOption(1).says('the batch size: samples at a time'),
      precision: precisionAfter(),
      device: deviceOption().default('cpu').says('the device: cpu, cuda, cuda:1, or mps (the GPU of a Mac)'),
    }),
  },
  augment: { ...sheetOptions },
  shard: { ...shardLabels },
  predict: {
    ...takenBy(textOptions, 'predict'),
    ...group('Run', ['predict'], {
      top: int(1).flag('--top <n>').default(1).says('how many labels per sample, the most probable first'),
      precision: precisionAfter(),
    }),
  },
} as const satisfies Record<string, OptionTable>

/** The calls of the library that take a table of options. */
export const calls = {
  trainFolder: optionTables.train,
  learner: optionTables.learner,
  evaluateFolder: optionTables.evaluate,
  augmentSheet: optionTables.augment,
} as const satisfies Record<string, OptionTable>

/** All options of the recipe. It chooses those that are left out, and says why. Ranges and defaults:
 *  docs/options.md. */
export interface TrainOptions extends Options<typeof optionTables.train> {}

/** Groups of options that set the same thing: one on the command line replaces any of its group in a file of
 *  options. */
export const rivals: readonly (readonly (keyof TrainOptions)[])[] = [
  ['size', 'sizes'],
  ['like', 'factor'],
  ['weights', 'pretrained'],
  ['labels', 'labelRegex'],
  ['labelColumn', 'targets'],
  ['groupColumn', 'groupRegex', 'timeColumn'],
]
