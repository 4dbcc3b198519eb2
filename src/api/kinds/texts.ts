import { OptionError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import { textOptions } from '../../text/options.ts'
import { textFiles } from '../../text/read/text-files.ts'
import { pictureOptions } from '../../vision/options.ts'
import type { DataKind } from './kind.ts'

/** Texts: files, or a column of a table. */
export const texts: DataKind = {
  name: 'texts',
  files: textFiles,
  options: { ...textOptions, clean: pictureOptions.clean },
  inTables: 'text',
  check({ tta }) {
    if (tta !== undefined && tta !== false)
      throw new OptionError(
        `${option('tta')}: texts have no augmented views whose mean could be taken; leave it out. ${setting('quality', 'best')} averages five nets.`,
        { exitCode: 2 },
      )
  },
  domain: async () => (await import('../../text/domain/texts.ts')).texts,
  async predictor(run, { precision, options = {} }) {
    const { listTexts, loadTextClassifier } = await import('../../text/run/predict.ts')
    const classifier = loadTextClassifier(run, { precision })
    const [column, encoding] = [options.text, options.encoding].map(v => (typeof v === 'string' ? v : undefined))
    return {
      classes: classifier.classes,
      precision: classifier.precision,
      text: (value, target) => classifier.text(value, target),
      async list(paths) {
        const trained = classifier.preprocessing.columns?.text
        const { count, problems, read } = await listTexts(paths, { column, trained, encoding })
        return { count, problems, predict: ({ onError }) => classifier.predictAll(read(onError), { onError }) }
      },
    }
  },
}
