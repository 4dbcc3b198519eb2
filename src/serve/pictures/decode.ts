import type { Card } from '../../onnx/card.ts'
import { decodeFile } from '../../runtime/decode-node.ts'
import { toModelPixels } from '../../runtime/pixels.ts'
import { type SmallAddon, smallAddon } from '../../setup/index.ts'
import type { Pixels } from '../model.ts'

/** Bytes of a file that is decoded in the server's own thread: waking another takes longer. */
const atOnce = 128 << 10

let found: { addon: SmallAddon | undefined } | undefined

/** Decodes a picture for a model, as training does. Usual JPEG files are decoded by the addon, where there is one, in a ninth of
 *  sharp's time and to the same pixels; sharp decodes the rest, and says what is wrong with a file. Throws a RunError for what is no
 *  picture or has more pixels than `limit`. */
export async function decodePicture(bytes: Uint8Array, card: Card, limit: number): Promise<Pixels> {
  const { mode, channels } = card.input
  return (
    (mode !== 'keep' && channels === 3 && (await byAddon(bytes, limit))) ||
    toModelPixels(await decodeFile(bytes, card, limit), card.input)
  )
}

/** A JPEG file as upright RGB; undefined if the addon does not take it (`native/pictures/pictures.h`). */
export async function byAddon(bytes: Uint8Array, limit: number): Promise<Pixels | undefined> {
  found ??= { addon: smallAddon() }
  const { planPixels, decodePixels } = found.addon ?? {}
  if (!planPixels || !decodePixels || bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  const size = planPixels(bytes, limit)
  if (!size) return undefined
  const [height, width] = size
  const data = new Uint8Array(height * width * 3)
  if (!(await decodePixels(bytes, limit, data, bytes.length <= atOnce))) return undefined
  return { data, height, width, channels: 3 }
}
