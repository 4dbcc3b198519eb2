import { indexForEvaluation } from '../../data/index.ts'
import { shardsAt } from '../../data/shards/find.ts'
import { indexShards } from '../../data/shards/from-shards.ts'
import type { DomainContext, ToEvaluate } from '../../domain/index.ts'
import { joinBands } from '../channel-files.ts'
import { openPictures, type Pictures } from '../dataset.ts'
import { pictureFiles } from '../decode/formats.ts'
import { checkChannelCount } from '../decode/load-picture.ts'
import { decodedAs, type ModelCard, type Preprocessing } from '../inference/saved.ts'
import { pictureSource } from '../picture-source.ts'
import type { Item } from '../types.ts'
import type { EvaluateImagesOptions } from './options.ts'

/** Pictures to evaluate a saved model on, labelled with its classes. Each member of an ensemble decodes them as in its
 *  training. */
export async function openImagesForEvaluation(
  dir: string,
  { classes, task = 'single', preprocessing }: ModelCard,
  { options: { device, ...options }, progress, report, signal }: DomainContext<EvaluateImagesOptions>,
): Promise<ToEvaluate<Preprocessing>> {
  const shards = shardsAt(dir)
  const { part, leaveOut, ...labels } = options
  const found = shards
    ? indexShards(shards, { ...labels, task }, { fileKind: pictureFiles, known: { classes, part, leaveOut } })
    : await indexForEvaluation(dir, { ...options, classes, task }, { fileKind: pictureFiles })
  const index = preprocessing.bands ? joinBands(found, preprocessing.bands) : found
  const opened = new Map<string, Pictures>()
  const open = async (own: Preprocessing): Promise<Pictures> => {
    const { short, interpolation, mode: channels = 'rgb', range } = own
    const onProgress = (done: number, total: number) => progress('pictures', done, total)
    const pictures =
      opened.get(decodedAs(own)) ??
      (await openPictures(index, { short, interpolation, channels, range, signal, report, onProgress }))
    opened.set(decodedAs(own), pictures)
    for (const { file, picture } of pictures.data.items) checkChannelCount(pictures.picture(picture), file, own)
    return pictures
  }
  const { data, hash } = await open(preprocessing)
  return {
    data: { ...data, choices: index.choices },
    hash: item => hash((item as Item).picture),
    async source({ preprocessing: own }) {
      const pictures = await open(own)
      return pictureSource({
        picture: n => pictures.picture(n),
        samples: data.of('test'),
        task,
        classes: classes.length,
        size: own.size,
        short: own.short,
        channels: own.channels,
        normalization: own,
        ...(device === undefined ? {} : { device }),
      })
    },
  }
}
