import { DataError } from '../../base/errors.ts'
import { pick } from '../../base/option-table.ts'
import { option } from '../../base/options.ts'
import { applyDecisions, indexForEvaluation, readDecisions } from '../../data/index.ts'
import { checkLabelOptions } from '../../data/labels/check-options.ts'
import { indexFolder } from '../../data/labels/from-folders.ts'
import { indexNames } from '../../data/labels/from-names.ts'
import { indexTable } from '../../data/labels/from-table.ts'
import { labelOptions } from '../../data/labels/options.ts'
import type { Domain, DomainContext, ToEvaluate } from '../../domain/index.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import { openTexts } from '../dataset.ts'
import { hashOf } from '../hash.ts'
import type { TextBody } from '../net/bert.ts'
import { ofTexts, textFiles } from '../read/text-files.ts'
import { indexTextTable, isTableOfTexts } from '../read/text-table.ts'
import { textSource, tokenBatch } from '../source.ts'
import type { EvaluateTextsOptions, TextIndex, TextItem, TextOptions, TextPreprocessing } from '../types.ts'
import { isPreprocessing, networkOf, readerOf } from './card.ts'
import { openForTraining } from './open.ts'

/** Finds labelled texts, with the decisions of `anneal clean` applied. */
async function index(path: string, { clean, ...options }: TextOptions): Promise<TextIndex> {
  const found = await everyText(path, options)
  if (clean === undefined) return found
  const { texts } = found
  return applyDecisions(found, readDecisions(clean), texts && (({ file }) => hashOf(texts.get(file)!)))
}

/** All labelled texts: rows of a table, class folders, files that a table names, or names of files. */
async function everyText(path: string, options: TextOptions): Promise<TextIndex> {
  const { text, target, labels } = options
  if (isTableOfTexts(path)) {
    if (labels !== undefined)
      throw new DataError(
        `${path} is a table, and ${option('labels')} names another one; expected the folder of the texts that ${labels} labels, or the table alone.`,
      )
    return indexTextTable(path, { ...pick(labelOptions, options), text, target })
  }
  const given = pick(labelOptions, options)
  for (const [name, value] of [
    ['text', text],
    ['target', target],
  ] as const)
    if (value !== undefined)
      throw new DataError(
        `${option(name)} names a column of a table whose rows are the texts, and ${path} is a folder. Where a table labels its files, name the table (${option('labels')}) and its column (${option('labelColumn')}).`,
      )
  checkLabelOptions(given)
  if (labels !== undefined) return indexTable(path, { ...given, labels }, ofTexts)
  if (options.labelRegex !== undefined || options.labelOf !== undefined) return indexNames(path, given, ofTexts)
  return indexFolder(path, given, ofTexts)
}

/** Texts to evaluate a saved model on, labelled with its classes. */
async function openForEvaluation(
  path: string,
  { classes, task = 'single', preprocessing: { columns } }: ModelCard<TextPreprocessing>,
  { options: { device, text, target, encoding, ...options } }: DomainContext<EvaluateTextsOptions>,
): Promise<ToEvaluate<TextPreprocessing>> {
  const { part, leaveOut, ...given } = options
  const found: TextIndex = isTableOfTexts(path)
    ? await indexTextTable(path, { ...given, text, target, task }, { classes, part, leaveOut, columns })
    : await indexForEvaluation(path, { ...options, classes, task }, ofTexts)
  const data = openTexts(found, { encoding })
  return {
    data,
    hash: item => (item as TextItem).hash,
    async source({ preprocessing }) {
      const items = data.of('test')
      const read = await readerOf(preprocessing)
      return textSource(items, {
        tokens: items.map(item => read(item.text)),
        task,
        classes: classes.length,
        device,
      })
    },
  }
}

/** Texts: folders of text files, or tables with a column of texts. */
export const texts: Domain<TextOptions, TextBody, TextPreprocessing, string, EvaluateTextsOptions> = {
  name: 'texts',
  overRanks: true,
  words: { ...textFiles.noun, size: size => `${size} tokens` },
  expected: path =>
    `a folder with one folder of text files for each class, such as ${path}/good and ${path}/bad, or a table with a column of texts`,
  index,
  open: (found, context) => openForTraining(found as TextIndex, context),
  build: networkOf,
  isPreprocessing,
  openForEvaluation,
  batch: async (inputs, preprocessing) => tokenBatch(inputs.map(await readerOf(preprocessing))),
  usual: {
    // Over MiniLM (Sun et al. 2019, arXiv:1905.05583; ULMFiT, Howard & Ruder 2018, arXiv:1801.06146).
    rates: { body: 2e-5, head: 2e-4, ratio: 2.6, why: 'the usual rate of fine-tuning BERT' },
    epochs: samples => Math.min(4, Math.max(2, Math.round(6000 / Math.max(1, samples)))),
    warmup: 0.1,
    labelSmoothing: 0,
  },
}
