import { number } from '../base/option-kinds.ts'
import { group, type Options } from '../base/option-table.ts'

const trains = ['train'] as const

// biome-ignore format: one option, one line or two
/** The options of recordings in training. `augment`, `mixup` and `clean` are shared with pictures. */
export const soundOptions = {
  ...group('Sounds', trains, {
    seconds: number({ from: 0.8, to: 60 }, 'a number of seconds').flag('--seconds <n>').example(2)
      .otherwise('so long that 95 % of the recordings fit, from 1.3 to 10 s')
      .says('the length of the windows that recordings are heard in, in seconds'),
  }),
}

/** The options of recordings, beside those of labels and splits. */
export interface SoundOptions extends Options<typeof soundOptions> {
  /** `usual`: shift in time, gain, masks of time and pitch. */
  augment?: 'usual' | 'none' | undefined
  /** The α of MixUp's Beta distribution. */
  mixup?: number | undefined
  /** A file of decisions of `anneal clean`. */
  clean?: string | undefined
}
