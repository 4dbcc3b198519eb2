import { choice, int, list, number, parsed, path, text } from '../base/option-kinds.ts'
import { group, takenBy } from '../base/option-table.ts'
import { labelOptions } from '../data/labels/options.ts'
import type { AugmentationSettings } from './augment/settings.ts'

const trains = ['train', 'demo', 'learner'] as const
const wholeNet = ['train', 'demo'] as const

const presets = 'side-on, top-down, medical, none or auto'
/** A preset, settings over one, or `auto`. */
const augmentationOption = () =>
  parsed<string | AugmentationSettings>(
    `${presets}, or settings such as { preset: "side-on", maxWarp: 0.2 }`,
    () => {}, // its parts are checked by those who know them: the help loads no augmentation
    { anyOf: [{ type: 'string' }, { type: 'object' }] },
  )

/** The side of pictures in pixels. */
const side = () => int(32, 2048)

// biome-ignore format: one option, one line or two
/** The options of pictures in training. */
export const pictureOptions = {
  ...group('Pictures', trains, {
    size: side().flag('--size <pixels>').example(224).otherwise("the model's own")
      .says('the side of the pictures in pixels'),
    sizes: list(side(), { least: 1 }).flag('--sizes <pixels>').on(...wholeNet).example([128, 224])
      .says('train at several sizes, one after the other, small ones first: 128,224,288'),
    testSize: side().flag('--test-size <pixels>').on(...wholeNet).example(288)
      .says('predict at this size, where it validates no worse than the size of training'),
    channels: choice('auto', 'rgb', 'copy', 'keep').flag('--channels <how>').default('auto', 'the pictures themselves show how many channels they have, and how deep')
      .says('auto, rgb, copy (up to three channels of any depth), or keep (all channels; the first convolution is adapted)'),
    channelFiles: list(text('an ending', 'endings of file names')).flag('--channel-files <endings>').example(['_DAPI', '_GFP'])
      .says('each channel lies in a file of its own; the endings of their names: _DAPI,_GFP'),
    clean: path('the path of a file of decisions').flag('--clean <file>').example('runs/NAME/clean.jsonl')
      .says('the decisions of anneal clean: samples to leave out or relabel'),
  }),
  ...group('Augmentation', trains, {
    augment: augmentationOption().flag('--augment <name>').default('side-on', 'photos as people take them: up stays up')
      .says('side-on, top-down, medical, none, or auto (measured on the pictures); with settings: side-on,maxWarp=0.2; for recordings usual or none'),
    mixup: number({ above: 0, to: 100 }, 'a number').flag('--mixup <alpha>').on(...wholeNet).example(0.4)
      .says('MixUp: blend pictures in pairs; the α of its Beta distribution (fastai: 0.4)'),
    cutmix: number({ above: 0, to: 100 }, 'a number').flag('--cutmix <alpha>').on(...wholeNet).example(1)
      .says('CutMix: paste a part of another picture into each; the α of its Beta distribution (fastai: 1)'),
  }),
}

// biome-ignore format: one option, one line or two
/** The options of a contact sheet, and of the measurement for `auto`. */
export const sheetOptions = {
  ...takenBy(labelOptions, 'augment'),
  ...group('Sheet', ['augment'], {
    augment: augmentationOption().flag('--augment <name>').default('side-on')
      .says('as for train; auto measures what makes sense and prints why'),
    size: side().flag('--size <pixels>').default(224).says('the side of the pictures in pixels'),
    pictures: int(1, 50).flag('--pictures <n>').default(6).says('how many pictures, one per row'),
    views: int(1, 20).flag('--views <n>').default(5).says('how many augmented views of each'),
    model: text('the name of a model').flag('--model <name>').default('auto').says('for auto: the model whose frozen features judge'),
    weights: path('the path of a file of weights').flag('--weights <file>').example('resnet34.pth')
      .says('for auto: a file of pretrained weights of this model, .safetensors or .pth'),
  }),
}
