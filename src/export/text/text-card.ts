import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { version } from '../../base/version.ts'
import { cardKey, type TextFileCard } from '../../onnx/index.ts'
import { isRun, readResult, readSeen } from '../../runs/index.ts'
import { minilm } from '../../text/net/minilm.ts'
import { stemOf } from '../../train/saved-model.ts'
import { metricsOf, weightFiles } from '../model-card.ts'
import { validationOf } from '../validation.ts'
import { type TextModel, textInputs } from './model-graph.ts'

/** The card of an exported model of texts: what is known of the saved model, and of its run. */
export function textFileCard(
  path: string,
  { card, members }: TextModel,
  facts: Pick<TextFileCard, 'weights'> & Partial<Pick<TextFileCard, 'checks' | 'probe' | 'features'>>,
): TextFileCard {
  const { task = 'single', classes, thresholds, preprocessing, metrics } = card
  const { begin, end, window } = preprocessing.config
  const dir = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
  const run = isRun(dir) ? dir : undefined
  const result = run === undefined ? undefined : readResult(run)
  const seen = run === undefined ? undefined : readSeen(run)
  const validation = run === undefined ? undefined : validationOf(run, { task, classes })
  const { loss: _, epoch: __, ...own } = metrics
  const architectures = members.map(member => member.card.architecture)
  return {
    format: 'anneal-text-model',
    version: 1,
    anneal: version(),
    name: basename(resolve(run ?? stemOf(path))),
    created: new Date().toISOString(),
    task,
    classes,
    ...(task === 'multi' ? { thresholds: classes.map((_, c) => thresholds?.[c] ?? 0.5) } : {}),
    temperatures: members.map(member => member.card.temperature ?? 1),
    architectures,
    input: { ...textInputs, begin, end, window, maxTokens: preprocessing.maxTokens },
    tokenizer: preprocessing.tokenizer,
    ...(preprocessing.columns ? { columns: preprocessing.columns } : {}),
    metrics: {
      valid: metricsOf(result ?? { metrics: own, loss: Number.NaN }, seen?.valid.length),
      ...(result?.test ? { test: metricsOf(result.test, result.test.samples) } : {}),
    },
    ...(validation ? { validation: ofTexts(validation) } : {}),
    ...(architectures.every(name => name === minilm) ? { licence: 'Apache-2.0' } : {}),
    digests: {
      weights: weightFiles(path, card).map(file => sha256(readFileSync(file))),
      ...(seen ? { data: sha256(seen.train.join('\n')) } : {}),
    },
    ...facts,
  }
}

const ofTexts = ({ pictures, ...found }: NonNullable<ReturnType<typeof validationOf>>): TextFileCard['validation'] => ({
  texts: pictures,
  ...found,
})

/** The metadata of an exported file: the card, and what other tools read. */
export function textMetadata(card: TextFileCard): Record<string, string> {
  const { name, architectures, created, anneal, task, licence } = card
  return {
    [cardKey]: JSON.stringify(card),
    description: `${name}: texts by ${[...new Set(architectures)].join(', ')}, trained by Anneal`,
    author: 'Anneal',
    date: created,
    version: anneal,
    task: task === 'regression' ? 'regress' : 'classify',
    model_author: 'Anneal',
    ...(licence === undefined ? {} : { license: licence, model_license: licence }),
  }
}
