import { type FolderIndex, indexForEvaluation } from '../../data/index.ts'
import type { Domain, DomainContext, ToEvaluate } from '../../domain/index.ts'
import type { Body } from '../../train/network.ts'
import { indexSounds, openSounds } from '../dataset.ts'
import { soundFiles } from '../decode/formats.ts'
import { isPreprocessing, type Preprocessing } from '../features/inputs.ts'
import { type ModelCard, networkOf } from '../inference/saved.ts'
import { type SoundInput, windowsOf } from '../inference/windows-of.ts'
import { inputOf } from '../source.ts'
import type { Item } from '../types.ts'
import { mostWindows } from '../windows.ts'
import { sourceOf, windowItems } from './inputs.ts'
import { openRecordings } from './open.ts'
import type { EvaluateSoundsOptions, SoundOptionsOfRun } from './options.ts'

/** Recordings: folders of them, or tables that name their files. */
export const sounds: Domain<SoundOptionsOfRun, Body, Preprocessing, SoundInput, EvaluateSoundsOptions> = {
  name: 'sounds',
  overRanks: true,
  words: { ...soundFiles.noun, size: size => `${size / 1000} s` },
  expected: path => `a folder with one folder of recordings for each class, such as ${path}/dog and ${path}/rain`,
  index: indexSounds,
  open: (index, context) => openRecordings(index as FolderIndex, context),
  build: networkOf,
  isPreprocessing,
  openForEvaluation: openSoundsForEvaluation,
  /** One window of each input, its middle one; `rows` has all of them. */
  async batch(inputs, preprocessing, { device }) {
    const { samples } = preprocessing
    const windows = new Float32Array(inputs.length * samples)
    for (const [i, input] of inputs.entries()) {
      const found: Float32Array[] = []
      for await (const window of windowsOf(input, preprocessing)) found.push(window.samples)
      windows.set(found[found.length >> 1]!, i * samples)
    }
    return inputOf(windows, inputs.length, preprocessing, { device })
  },
  async *rows(input, preprocessing, { device }) {
    for await (const { samples } of windowsOf(input, preprocessing))
      yield inputOf(samples, 1, preprocessing, { device })
  },
}

/** Recordings to evaluate a saved model on, labelled with its classes. */
async function openSoundsForEvaluation(
  dir: string,
  { classes, task = 'single' }: ModelCard,
  { options: { device, ...options }, progress, report, signal }: DomainContext<EvaluateSoundsOptions>,
): Promise<ToEvaluate<Preprocessing>> {
  const index = await indexForEvaluation(dir, { ...options, classes, task }, { fileKind: soundFiles })
  const onProgress = (done: number, total: number) => progress('recordings', done, total)
  const opened = await openSounds(index, { onProgress, report, signal })
  const { data } = opened
  return {
    data: { ...data, choices: index.choices },
    hash: item => opened.hash((item as Item).sound),
    async source({ preprocessing }) {
      const store = await opened.at(preprocessing.rate)
      const items = windowItems(data.of('test'), store, preprocessing.samples, mostWindows.test)
      return sourceOf(store, items, { task, classes: classes.length, preprocessing, device })
    },
  }
}
