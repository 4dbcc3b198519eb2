import { plural } from '../../base/format.ts'
import { pick } from '../../base/option-table.ts'
import { applyDecisions, type FolderIndex, readDecisions } from '../../data/index.ts'
import { labelOptions } from '../../data/labels/options.ts'
import type { DomainContext } from '../../domain/index.ts'
import type { KnownModel } from '../../models/index.ts'
import { joinBands } from '../channel-files.ts'
import { channelStatistics } from '../channel-statistics.ts'
import { indexPictures, openPictures, type Pictures } from '../dataset.ts'
import { type ChannelChoice, checkChannels } from '../decode/choose-channels.ts'
import { depthOf } from '../decode/raster.ts'
import type { Picture } from '../types.ts'
import type { ImageOptions } from './options.ts'

/** Labelled pictures as they were found, with the decisions of `anneal clean` applied, and the files of one picture
 *  joined. */
export async function openIndex(dir: string, { channelFiles, clean, ...options }: ImageOptions): Promise<FolderIndex> {
  const found = await indexPictures(dir, pick(labelOptions, options))
  const index = channelFiles ? joinBands(found, channelFiles) : found
  return clean === undefined ? index : applyDecisions(index, readDecisions(clean))
}

/** For pictures whose channels are all kept: the number of channels, and their statistics over the training
 *  pictures. */
export function keptChannels({ data, picture }: Pictures) {
  const seen = data.items.map(item => ({ file: item.file, ...picturesKind(picture(item.picture)) }))
  const { channels } = checkChannels(seen)
  const numbers = data.of('train').map(item => item.picture)
  const { mean, std, pictures } = channelStatistics(picture, numbers)
  const text = (values: readonly number[]) => values.map(v => v.toPrecision(3)).join(', ')
  const reason = `measured over ${plural(pictures, 'picture')}: mean ${text(mean)}, deviation ${text(std)}; the first convolution is adapted`
  return { channels, mean, std, reason }
}

const picturesKind = ({ channels = 3, data }: Picture) => ({ channels, depth: depthOf(data) })

/** The short side of pictures before the crop. */
export const shortSide = (size: number, { cropPct }: Pick<KnownModel, 'cropPct'>) => Math.round(size / cropPct)

/** Opens the decoded pictures for a size. */
export const openAt = (
  index: FolderIndex,
  { size, info, mode, range }: { size: number; info: KnownModel } & Pick<ChannelChoice, 'mode' | 'range'>,
  { progress, report, signal }: Pick<DomainContext<object>, 'progress' | 'report' | 'signal'>,
): Promise<Pictures> =>
  openPictures(index, {
    short: shortSide(size, info),
    interpolation: info.interpolation,
    channels: mode,
    range,
    signal,
    report,
    onProgress: (done, total) => progress('pictures', done, total),
  })
