import sharp from 'sharp'
import { type Card, probePicture } from '../../../onnx/index.ts'
import { named, type Probes, type TargetKind } from './kind.ts'

/** The probe picture of the card as a PNG file. There is none where pictures are neither grey nor RGB. */
async function probesOf(card: Card): Promise<Probes> {
  const { probe, input, weights } = card
  // Processors round integers differently on their way through the net.
  const tolerance = weights === 'quantized' ? 0.1 : 0.001
  if (!probe || (input.channels !== 1 && input.channels !== 3)) return { tolerance, probes: [], files: {} }
  const { width, height, outputs } = probe
  const { channels } = input
  const pixels = sharp(probePicture(probe, channels), { raw: { width, height, channels } })
  const picture = channels === 1 ? pixels.toColourspace('b-w') : pixels
  return {
    tolerance,
    probes: [{ file: 'probe.png', type: 'image/png', outputs: named(card, outputs) }],
    files: { 'probe.png': await picture.png().toBuffer() },
  }
}

const input = `// Reads the pictures of requests: JPEG and PNG files, and raw pixels.
import { decodeJpeg } from './jpeg.mjs'

export const kind = 'picture'
export const takes = 'a picture'
export const maxBytes = 10_000_000
const maxPixels = 12_000_000 // a worker has 128 MB of memory
export const options = { limitPixels: maxPixels }

/** Width and height of a JPEG file. Refuses a file without its end, of which the decoder would make up the rest. */
function jpegSize(bytes, refuse) {
  const word = at => bytes[at] * 256 + bytes[at + 1]
  let size
  for (let at = 2; ; ) {
    // The next marker: in a scan it follows after data, where 0xff has a 0 or the number of a restart after it.
    at = bytes.indexOf(0xff, at)
    const mark = bytes[at + 1]
    if (at < 0 || mark === undefined) refuse(422, 'the JPEG file is cut off or corrupt')
    if (mark === 0xd9 && size) return size
    if (mark === 0xff) at++
    else if (mark === 0 || (mark >= 0xd0 && mark <= 0xd8)) at += 2
    else {
      if (mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark)) {
        if (bytes[at + 9] > 3) refuse(422, 'the JPEG file is CMYK, which is not read here; send RGB')
        size = [word(at + 7), word(at + 5)]
      }
      at += 2 + word(at + 2)
    }
  }
}

/** What the model takes: raw pixels, the pixels of a JPEG file, or the bytes of a PNG file. */
export async function inputOf(bytes, { url, refuse }) {
  const { width, height, channels } = Object.fromEntries(url.searchParams)
  const limit = (w, h) => {
    if (w * h > maxPixels) refuse(413, \`\${w} x \${h} pixels; at most \${maxPixels} are taken\`)
  }
  if (width !== undefined || height !== undefined) {
    limit(Number(width), Number(height))
    return { data: bytes, width: Number(width), height: Number(height), ...(channels && { channels: Number(channels) }) }
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes
  limit(...jpegSize(bytes, refuse))
  return decodeJpeg(bytes).catch(() => refuse(422, 'the JPEG file is cut off or corrupt'))
}
`

const jpeg = `// Decodes JPEG files by libjpeg's code (mozjpeg), as training does, and turns them upright by their EXIF data.
import wasm from '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'
import decode, { init } from '@jsquash/jpeg/decode.js'

// The decoder makes one, and workers have none.
globalThis.ImageData ??= class ImageData {
  constructor(data, width, height) {
    Object.assign(this, { data, width, height })
  }
}

let started
/** The pixels of a JPEG file: RGBA. */
export async function decodeJpeg(bytes) {
  await (started ??= init(wasm))
  const { data, width, height } = await decode(bytes, { preserveOrientation: true })
  return { data, width, height, channels: 4 }
}
`

/** Pictures. */
export const pictures: TargetKind<Card> = {
  nouns: 'pictures',
  curl: () => '--data-binary @cat.jpg',
  probes: probesOf,
  packages: [],
  notes: [],
  lambdaLimit: 'pictures of up to 4.5 MB (base64 adds a third)',
  worker: () => ({
    files: { 'input.mjs': input, 'jpeg.mjs': jpeg },
    packages: { '@jsquash/jpeg': '^1.6.0' },
    ways: [
      'a JPEG or PNG file: curl --data-binary @cat.jpg https://…/predict',
      'with ?width=W&height=H[&channels=C] raw pixels, row by row',
    ],
    limits: `- **Memory.** A worker has 128 MB for the code, the model and the picture, so pictures have at most 12 megapixels and 10 MB.
- **Time.** It computes in one thread. Send pictures that are made smaller first, but keep the short side at twice the size of the net.
- **Files.** JPEG and PNG files, and raw pixels. For other formats change \`jpeg.mjs\`, or decode before sending.`,
  }),
}
