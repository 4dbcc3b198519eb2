import { ImageError } from '../../base/errors.ts'
import { decodeJpegFile, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Precision } from '../../train/network.ts'
import type { Outputs } from '../../train/objective.ts'
import { joinMembers, memberOutputs } from '../../train/prediction.ts'
import { precisionOf } from '../../train/saved-model.ts'
import { pictureBatch } from '../batch.ts'
import { ASPECT } from '../cache/cache.ts'
import { LIMIT_INPUT_PIXELS } from '../decode/limits.ts'
import { loadContent, loadPicture } from '../decode/load-picture.ts'
import type { Picture } from '../types.ts'
import type { ReadImage } from './image-inputs.ts'
import { decodedAs, type LoadedModel, type Member, type Preprocessing } from './saved.ts'

/** How a net computes. */
export interface ComputeOptions {
  /** The type of products. Default: the one the net was validated in, where this machine has instructions for it. */
  precision?: Precision | undefined
  device?: string | undefined
}

/** What a net makes of pictures. */
export interface Answer {
  /** The activated outputs of the pictures that could be decoded, in their order: [good × classes]. */
  rows: Outputs
  /** Why a picture could not be decoded, one place for each picture. */
  errors: (Error | undefined)[]
}

/** Decodes pictures and passes them through the net, an ensemble through each of its nets. Decoding is asynchronous, the net
 *  holds the thread. `alone`: the caller's thread has nothing else to do meanwhile. */
export async function answer(
  { members, card }: LoadedModel,
  images: readonly ReadImage[],
  { device, precision = precisionOf(card, device), alone = false }: ComputeOptions & { alone?: boolean } = {},
): Promise<Answer> {
  for (const { network } of members) network.net.eval()
  const forms = new Map(members.map(m => [decodedAs(m.card.preprocessing), m.card.preprocessing]))
  const errors: Answer['errors'] = []
  const read = await Promise.all(
    images.map(async (image, i) => {
      try {
        const decoded = Array.from(forms, async ([form, p]) => [form, await decodedPicture(image, p, alone)] as const)
        return new Map(await Promise.all(decoded))
      } catch (error) {
        errors[i] = error as Error
        return undefined
      }
    }),
  )
  const good = read.filter(pictures => pictures !== undefined)
  if (good.length === 0) return { rows: new Float32Array(), errors }
  const rows = noGrad(() =>
    scope(() => {
      const each = members.map(member => {
        const form = decodedAs(member.card.preprocessing)
        return outputs(
          member,
          good.map(pictures => pictures.get(form)!),
          { precision, device },
        )
      })
      return joinMembers({ card }, each)
    }),
  )
  return { rows, errors }
}

/** A JPEG file of up to so many bytes is decoded in about a millisecond. */
const SMALL_FILE = 128 << 10

/** One picture as those of training were decoded: most JPEG files in one job on a thread, a small one that comes `alone` at
 *  once. */
async function decodedPicture(image: ReadImage, preprocessing: Preprocessing, alone: boolean): Promise<Picture> {
  if ('bytes' in image) return loadContent(image.bytes, image.name, preprocessing)
  const { mode = 'rgb', channels, bands: endings = [] } = preprocessing
  if ('pixels' in image) {
    const { pixels, name } = image
    // Each form of an ensemble gets values of its own: decoding may change them.
    const data = pixels.data.slice() as Picture['data']
    return loadContent({ ...pixels, data, alpha: hasAlpha(image, preprocessing) }, name, preprocessing)
  }
  const { file, raw, bands } = image.place
  if (/\.jpe?g$/i.test(file) && channels === 3 && mode !== 'keep' && !bands && endings.length === 0) {
    const { short, interpolation } = preprocessing
    const room = Buffer.allocUnsafeSlow(3 * short * Math.floor(short * ASPECT))
    const fit = { short, interpolation, aspect: ASPECT, limit: LIMIT_INPUT_PIXELS }
    const made = await decodeJpegFile(raw ? Buffer.from(raw) : file, fit, { room, atOnce: alone ? SMALL_FILE : 0 })
    if (made) return made
  }
  return loadPicture(image.place, preprocessing)
}

/** Whether the last channel of raw pixels is alpha: as they say, else of four. Two channels could be two of anything. */
function hasAlpha(
  { name, pixels }: ReadImage & { pixels: { channels: number; alpha?: boolean } },
  p: Preprocessing,
): boolean {
  const asTheyAre = p.mode === 'keep' || (p.bands ?? []).length > 1
  const { channels, alpha = channels === 4 && !asTheyAre } = pixels
  if (channels === 2 && !asTheyAre && pixels.alpha === undefined)
    throw new ImageError(
      `${name}: they have 2 channels, which can be grey and alpha (give alpha: true) or two channels of values (alpha: false).`,
    )
  return alpha
}

/** What one net makes of pictures, at its own normalisation: [N, classes]. */
function outputs(
  member: Member,
  pictures: readonly Picture[],
  { precision, device }: { precision: Precision; device: string | undefined },
): Tensor {
  const { preprocessing } = member.card
  const how = { ...preprocessing, normalization: preprocessing, ...(device ? { device } : {}) }
  return memberOutputs(member, pictureBatch(pictures, undefined, how), { precision })
}
