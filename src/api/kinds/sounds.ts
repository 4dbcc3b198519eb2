import { OptionError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import { soundFiles } from '../../sound/decode/formats.ts'
import { soundOptions } from '../../sound/options.ts'
import { pictureOptions } from '../../vision/options.ts'
import type { DataKind } from './kind.ts'

const { augment, mixup, clean } = pictureOptions

/** Recordings. */
export const sounds: DataKind = {
  name: 'sounds',
  files: soundFiles,
  options: { ...soundOptions, augment, mixup, clean },
  check({ augment: asked, tta }) {
    if (asked !== undefined && asked !== 'usual' && asked !== 'none')
      throw new OptionError(
        `${setting('augment', typeof asked === 'string' ? asked : 'SETTINGS')}: recordings take usual (shift in time, gain, masks of time and pitch) or none.`,
        { exitCode: 2 },
      )
    // Spoken digits by speaker, six runs: 97.07 % with four views of shift and gain, 97.13 % without.
    if (tta !== undefined && tta !== false)
      throw new OptionError(
        `${option('tta')}: recordings take no mean over changed views: on 1,500 spoken digits it had 1,456 right, the plain sound 1,457, in a fifth of the time. Leave it out; ${setting('quality', 'best')} averages five nets.`,
        { exitCode: 2 },
      )
  },
  domain: async () => (await import('../../sound/domain/sounds.ts')).sounds,
  async predictor(run, { precision }) {
    const { listSounds, loadSoundClassifier } = await import('../../sound/inference/predict.ts')
    const classifier = loadSoundClassifier(run, { precision })
    return {
      classes: classifier.classes,
      precision: classifier.precision,
      text: (value, target) => classifier.text(value, target),
      list(paths) {
        const { places, problems } = listSounds(paths)
        return { count: places.length, problems, predict: hooks => classifier.predictAll(places, hooks) }
      },
    }
  },
}
