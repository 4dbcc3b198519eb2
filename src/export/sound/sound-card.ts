import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { version } from '../../base/version.ts'
import { model as pictureModel } from '../../models/index.ts'
import { cardKey, type SoundFileCard } from '../../onnx/index.ts'
import { isRun, readResult, readSeen } from '../../runs/index.ts'
import { crossings, passes } from '../../runtime/sound/resample.ts'
import { hopOf } from '../../runtime/sound/windows.ts'
import { isSpeech } from '../../sound/models/bodies.ts'
import { stemOf } from '../../train/saved-model.ts'
import { metricsOf, weightFiles } from '../model-card.ts'
import { validationOf } from '../validation.ts'
import { type SoundModel, soundInput } from './model-graph.ts'

/** The card of an exported model of sounds: what is known of the saved model, and of its run. */
export function soundFileCard(
  path: string,
  { card, members }: SoundModel,
  facts: Pick<SoundFileCard, 'weights'> & Partial<Pick<SoundFileCard, 'checks' | 'probe' | 'features'>>,
): SoundFileCard {
  const { task = 'single', classes, thresholds, preprocessing, metrics } = card
  const dir = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
  const run = isRun(dir) ? dir : undefined
  const result = run === undefined ? undefined : readResult(run)
  const seen = run === undefined ? undefined : readSeen(run)
  const validation = run === undefined ? undefined : validationOf(run, { task, classes })
  const { loss: _, epoch: __, ...own } = metrics
  const architectures = members.map(member => member.card.architecture)
  const licences = [...new Set(architectures.map(licenceOf))]
  const windows = members.map(member => member.card.preprocessing.samples)
  return {
    format: 'anneal-sound-model',
    version: 1,
    anneal: version(),
    name: basename(resolve(run ?? stemOf(path))),
    created: new Date().toISOString(),
    task,
    classes,
    ...(task === 'multi' ? { thresholds: classes.map((_, c) => thresholds?.[c] ?? 0.5) } : {}),
    temperatures: members.map(member => member.card.temperature ?? 1),
    architectures,
    input: {
      name: soundInput,
      rate: preprocessing.rate,
      resampling: { filter: 'sinc_interp_hann', crossings, passes },
      windows,
      hops: windows.map(hopOf),
    },
    metrics: {
      valid: metricsOf(result ?? { metrics: own, loss: Number.NaN }, seen?.valid.length),
      ...(result?.test ? { test: metricsOf(result.test, result.test.samples) } : {}),
    },
    ...(validation ? { validation: ofRecordings(validation) } : {}),
    licence: licences.join(' AND '),
    digests: {
      weights: weightFiles(path, card).map(file => sha256(readFileSync(file))),
      ...(seen ? { data: sha256(seen.train.join('\n')) } : {}),
    },
    ...facts,
  }
}

const licenceOf = (name: string): string => (isSpeech(name) ? 'Apache-2.0' : pictureModel(name).licence)

const ofRecordings = ({
  pictures,
  ...found
}: NonNullable<ReturnType<typeof validationOf>>): SoundFileCard['validation'] => ({ recordings: pictures, ...found })

/** The metadata of an exported file: the card, and what other tools read. */
export function soundMetadata(card: SoundFileCard): Record<string, string> {
  const { name, architectures, created, anneal, task, licence } = card
  return {
    [cardKey]: JSON.stringify(card),
    description: `${name}: sounds by ${[...new Set(architectures)].join(', ')}, trained by Anneal`,
    author: 'Anneal',
    date: created,
    version: anneal,
    task: task === 'regression' ? 'regress' : 'classify',
    model_author: 'Anneal',
    ...(licence === undefined ? {} : { license: licence, model_license: licence }),
  }
}
