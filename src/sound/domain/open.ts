import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { FolderIndex } from '../../data/index.ts'
import type { DomainContext, ModelChoice, Opened } from '../../domain/index.ts'
import { savedArchitecture } from '../../models/index.ts'
import { windowStarts } from '../../runtime/sound/windows.ts'
import { manualSeed } from '../../torch/index.ts'
import type { Body } from '../../train/network.ts'
import { usualBatch } from '../../train/usual-plan.ts'
import { openSounds, type Sounds } from '../dataset.ts'
import { inputShape, type Preprocessing } from '../features/inputs.ts'
import { buildBody, checkBody, isSpeech, pretrainedBody } from '../models/bodies.ts'
import { speechEmbeddingName } from '../models/speech-embedding.ts'
import type { Item } from '../types.ts'
import { chooseWindow, mostWindows } from '../windows.ts'
import { chooseBody } from './choose-body.ts'
import { preprocessingFor } from './input-of.ts'
import { chooseInputs } from './inputs.ts'
import type { SoundOptionsOfRun } from './options.ts'

/** Opens recordings and model. A model that was named is looked up first, so that one without weights fails before the
 *  scan. */
export async function openRecordings(
  index: FolderIndex,
  context: DomainContext<SoundOptionsOfRun>,
): Promise<Opened<Body, Preprocessing>> {
  const { options, narrator, report, signal } = context
  const { seed = 42, model = 'auto', pretrained = true, weights } = options
  if (model !== 'auto') {
    checkBody(model)
    if (pretrained && weights === undefined && isSpeech(model)) await pretrainedBody(model, { report, signal })
  }
  const sounds = await scan(index, context)
  const { data } = sounds
  const seconds = await lengthOf(sounds, context)
  const chosen = await narrator.once('model', () => nameBody(sounds, seconds, context))
  for (const text of chosen.lines) narrator.emit({ type: 'line', text })
  narrator.choice('model', chosen.name, chosen.reason)
  const rates = data.of('train').map(({ sound }) => sounds.heard(sound).rate)
  const preprocessing = preprocessingFor(chosen.name, seconds, rates)
  const store = await sounds.at(preprocessing.rate)
  sayWindows(sounds, preprocessing, context)
  manualSeed(seed) // random weights are drawn from it
  const body = pretrained
    ? await pretrainedBody(chosen.name, { file: weights, report, signal })
    : buildBody(chosen.name)
  const size = Math.round(seconds * 1000)
  return {
    data,
    // Windows of one recording differ by where they begin.
    hash: item => `${sounds.hash((item as Item).sound)}${'from' in item ? ` ${item.from}` : ''}`,
    modelName: chosen.name,
    body,
    sizes: [size],
    measuredAt: size,
    shape: () => inputShape(preprocessing),
    async inputs(ready) {
      const inputs = chooseInputs(data, store, preprocessing, ready, context)
      const { batchSize, device } = options
      narrator.choice(
        'settings',
        `windows of ${seconds} s, batches of ${batchSize ?? usualBatch(data.of('train').length, options)}, seed ${seed}, on ${device ?? ready.device}`,
        batchSize === undefined ? 'the usual batch size for so many recordings' : 'as asked',
      )
      return inputs
    },
  }
}

/** Decodes the recordings, and tells what was found. */
async function scan(
  index: FolderIndex,
  { narrator, progress, report, signal }: DomainContext<SoundOptionsOfRun>,
): Promise<Sounds> {
  narrator.emit({ type: 'phase', phase: 'scan' })
  narrator.stands?.('the settings', 'the scan and the decoding of the recordings')
  for (const { what, value, reason } of index.choices) narrator.choice(what, value, reason)
  const onProgress = (done: number, total: number) => progress('recordings', done, total)
  const sounds = await openSounds(index, { onProgress, report, signal })
  const { data } = sounds
  for (const { what, value, reason } of data.choices.slice(index.choices.length)) narrator.choice(what, value, reason)
  narrator.stands?.('the decoded recordings', 'the choice of the model')
  const count = (split: 'train' | 'valid' | 'test') => data.of(split).length
  narrator.emit({
    type: 'scan',
    sample: 'recording',
    classes: data.counts,
    problems: data.problems.map(({ file, reason, kind }) => ({ file, reason, kind })),
    ...(data.task === 'single'
      ? {}
      : { pictures: { train: count('train'), valid: count('valid'), test: count('test') } }),
  })
  return sounds
}

/** The length of the windows, in seconds: as asked, or by the lengths of the training recordings. */
async function lengthOf(sounds: Sounds, { options, narrator }: DomainContext<SoundOptionsOfRun>): Promise<number> {
  const durations = sounds.data.of('train').map(({ sound }) => sounds.seconds(sound))
  const usual = chooseWindow(durations)
  const seconds = options.seconds ?? usual.seconds
  const reason =
    options.seconds === undefined ? `${usual.reason}; ${option('seconds')} takes another length` : 'as asked'
  narrator.choice('window', `${seconds} s`, reason)
  return seconds
}

/** Says how many windows the recordings have, if some have several. */
function sayWindows(
  { data, seconds }: Sounds,
  { samples, rate }: Preprocessing,
  { narrator }: DomainContext<SoundOptionsOfRun>,
): void {
  const counts = data.of('train').map(({ sound }) => windowStarts(Math.ceil(seconds(sound) * rate), samples).length)
  const total = counts.reduce((sum, n) => sum + Math.min(n, mostWindows.train), 0)
  if (total === counts.length) return
  const cut = counts.filter(n => n > mostWindows.train).length
  narrator.choice(
    'windows',
    `${total.toLocaleString('en-US')} of ${plural(counts.length, 'training recording')}`,
    `long recordings are heard in windows that overlap by half; a prediction for a whole recording is the mean over its windows${
      cut > 0
        ? `; ${plural(cut, 'recording')} longer than an hour or so count with ${mostWindows.train} windows, spread over them`
        : ''
    }`,
  )
}

/** The body that was asked for, or the better one of two. */
async function nameBody(
  sounds: Sounds,
  seconds: number,
  context: DomainContext<SoundOptionsOfRun>,
): Promise<ModelChoice> {
  const { model = 'auto', pretrained = true, weights } = context.options
  if (model !== 'auto') return { name: model, reason: 'as asked', lines: [] }
  const saved = weights === undefined ? undefined : savedArchitecture(weights)
  if (saved !== undefined) return { name: saved, reason: `${option('weights')} holds its weights`, lines: [] }
  if (weights !== undefined)
    return { name: speechEmbeddingName, reason: `${option('weights')} without ${option('model')}`, lines: [] }
  if (!pretrained) return { name: speechEmbeddingName, reason: 'the default for random weights', lines: [] }
  return chooseBody(sounds, seconds, context)
}
