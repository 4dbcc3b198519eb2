import { ImageError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { inParallel } from '../../base/parallel.ts'
import type { Place } from '../../data/types.ts'
import { type ChannelMode, filesOf, readPicture } from './decode.ts'
import type { Kind } from './format.ts'
import { supportedFormat } from './formats.ts'
import type { Depth } from './raster.ts'
import { measureRange } from './value-range.ts'

/** The channels that a run uses, and why. */
export interface ChannelChoice {
  mode: ChannelMode
  /** With `copy`: the values of black and white in pictures of 16 bits and floats. */
  range?: readonly [low: number, high: number]
  choice: { what: 'channels'; value: string; reason: string }
}

/** How many pictures are examined. */
const looked = 64

/** Chooses how to use the pictures' channels, from up to 64 pictures, evenly spaced in the list:
 *  - `keep` if most are not grey or colour pictures: 2 or more than 4 channels, 3 or 4 that are no colours, several
 *    pages of one channel, or one file per channel
 *  - `copy` if most are grey or colour of 16 bits or floats; the values of black and white are then measured
 *  - `rgb` otherwise. */
export async function chooseChannels(
  places: readonly Place[],
  { asked = 'auto', signal }: { asked?: ChannelMode | 'auto'; signal?: AbortSignal | undefined } = {},
): Promise<ChannelChoice> {
  const sample = evenly(places, looked)
  const kinds: (Kind | undefined)[] = new Array(sample.length)
  await inParallel(
    sample.length,
    async i => {
      kinds[i] = await placeKind(sample[i]!).catch(() => undefined) // the scan reports what is wrong with it
    },
    { signal },
  )
  const known = kinds.filter(kind => kind !== undefined)
  const [mode, reason] = asked === 'auto' ? decide(known) : [asked, 'as asked']
  if (mode !== 'copy') {
    const kept = mode === 'keep' && known.length > 0 ? `, ${describe(mostly(known))}` : ''
    return { mode, choice: { what: 'channels', value: `${mode}${kept}`, reason } }
  }
  const deep = sample.filter((_, i) => kinds[i] && kinds[i].depth !== 'uint8').flatMap(filesOf)
  const range = await measureRange(deep, { signal })
  if (!range) return { mode, choice: { what: 'channels', value: mode, reason } }
  const [low, high] = range.values
  return {
    mode,
    range: range.values,
    choice: { what: 'channels', value: `copy, black ${low}, white ${high}`, reason: `${reason}; ${range.reason}` },
  }
}

function decide(kinds: readonly Kind[]): [ChannelMode, string] {
  const of = (count: number) =>
    kinds.length === 1
      ? 'the one picture is'
      : `${count === kinds.length ? 'all' : `${count} of`} ${kinds.length} examined pictures are`
  const bands = kinds.filter(({ use }) => use === 'bands')
  if (bands.length > kinds.length / 2)
    return ['keep', `${of(bands.length)} not plain grey or colour: ${describe(mostly(bands))}`]
  const deep = kinds.filter(({ use, depth }) => use === 'picture' && depth !== 'uint8')
  if (deep.length > kinds.length / 2)
    return ['copy', `${of(deep.length)} of ${depthNames[mostly(deep).depth]}, which are kept`]
  if (kinds.length === 0) return ['rgb', 'no picture could be examined']
  const scaled = deep.length > 0 ? `; ${deep.length} of 16 bits or floats are scaled` : ''
  return ['rgb', `${of(kinds.length - bands.length - deep.length)} grey or colour of 8 bits${scaled}`]
}

const depthNames: Record<Depth, string> = { uint8: '8 bits', uint16: '16 bits', float32: 'floats' }

const describe = ({ channels, depth }: { channels: number; depth: Depth }): string =>
  `${plural(channels, 'channel')} of ${depthNames[depth]}`

/** The most frequent of the kinds. */
function mostly<T extends { channels: number; depth: Depth }>(kinds: readonly T[]): T {
  const groups = [...grouped(kinds).values()]
  return groups.reduce((most, group) => (group.length > most.length ? group : most))[0]!
}

function grouped<T extends { channels: number; depth: Depth }>(kinds: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const kind of kinds) {
    const name = describe(kind)
    const group = groups.get(name)
    if (group) group.push(kind)
    else groups.set(name, [kind])
  }
  return groups
}

async function placeKind(place: Place): Promise<Kind> {
  const kinds: Kind[] = []
  for (const part of filesOf(place)) {
    const bytes = await readPicture(part)
    kinds.push(await supportedFormat(bytes).probe(bytes))
  }
  if (kinds.length === 1) return kinds[0]!
  return { channels: kinds.reduce((sum, { channels }) => sum + channels, 0), depth: kinds[0]!.depth, use: 'bands' }
}

/** At most `most` items of a list, evenly spaced. */
export const evenly = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!)

/** The channels and type that all pictures have; throws if they differ, with the number of pictures of each kind. A row
 *  of the cache with the name of its file is such a picture. */
export function checkChannels(pictures: readonly { file: string; channels?: number; depth?: Depth }[]): {
  channels: number
  depth: Depth
} {
  const full = pictures.map(({ file, channels = 3, depth = 'uint8' }) => ({ file, channels, depth }))
  const groups = [...grouped(full)].sort((a, b) => b[1].length - a[1].length)
  const { channels = 3, depth = 'uint8' } = groups[0]?.[1][0] ?? {}
  if (groups.length <= 1) return { channels, depth }
  const lines = groups.map(([kind, group]) => `${group.length} with ${kind} (${group[0]!.file})`)
  throw new ImageError(
    `the pictures are of different kinds: ${lines.join(', ')}; a model takes one number of channels and one type. Convert or remove the odd ones, or train on colour with ${setting('channels', 'rgb')}.`,
  )
}
