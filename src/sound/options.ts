import { choice, number, path } from '../base/option-kinds.ts'
import { group, type Options } from '../base/option-table.ts'

const trains = ['train'] as const

// biome-ignore format: one option, one line or two
/** The options of recordings in training. */
export const soundOptions = {
  ...group('Sounds', trains, {
    seconds: number({ from: 0.8, to: 60 }, 'a number of seconds').flag('--seconds <n>').example(2)
      .otherwise('so long that 95 % of the recordings fit, from 1 to 10 s')
      .says('the length of the windows that recordings are heard in, in seconds'),
    clean: path('the path of a file of decisions').flag('--clean <file>').example('runs/NAME/clean.jsonl')
      .says('the decisions of anneal clean: recordings to drop or relabel'),
  }),
  ...group('Augmentation', trains, {
    augment: choice('usual', 'none').flag('--augment <name>').default('usual', 'sounds stay what they are when they come later, louder, or with a gap')
      .says('usual (shift in time, gain, masks of time and pitch) or none'),
    mixup: number({ above: 0, to: 100 }, 'a number').flag('--mixup <alpha>').example(0.3)
      .says('MixUp: blend sounds in pairs; the α of its Beta distribution'),
  }),
}

/** The options of recordings, beside those of labels and splits. */
export type SoundOptions = Options<typeof soundOptions>
