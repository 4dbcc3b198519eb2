import { readFile } from 'node:fs/promises'
import { ModelError } from '../base/errors.ts'
import type { Card } from '../onnx/card.ts'
import { cardKey } from '../onnx/card.ts'
import type { Answer, Pixels, ServedModel } from './model.ts'

/** Loads an exported model for the server, to run by onnxruntime-node. `threads`: those of the net. Throws a ModelError
 *  for a file that is no exported model, and if onnxruntime-node is not installed. */
export async function load(path: string, { threads }: { threads?: number } = {}): Promise<ServedModel> {
  const file = await readFile(path)
  const card = cardOf(file, path)
  const ort = await runtime()
  let session: Awaited<ReturnType<typeof ort.InferenceSession.create>>
  try {
    session = await ort.InferenceSession.create(file, {
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      logSeverityLevel: 3,
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ModelError(`${path}: onnxruntime can not load it: ${reason.split('\n')[0]}`, { cause: error })
  }
  return {
    card,
    decode: bytes => decode(bytes, card),
    async predictPixels(pictures) {
      const { width, height, channels } = pictures[0]!
      const data = new Uint8Array(pictures.length * width * height * channels)
      for (const [i, picture] of pictures.entries()) data.set(picture.data, i * width * height * channels)
      const image = new ort.Tensor('uint8', data, [pictures.length, height, width, channels])
      return answersOf(await session.run({ [card.input.name]: image }), card, pictures.length)
    },
    dispose: () => session.release(),
  }
}

async function runtime(): Promise<typeof import('onnxruntime-node')> {
  try {
    return await import('onnxruntime-node')
  } catch (error) {
    throw new ModelError('serving needs the package onnxruntime-node; install it: npm install onnxruntime-node', {
      cause: error,
    })
  }
}

type Outputs = Readonly<Record<string, { data: unknown } | undefined>>

function answersOf(outputs: Outputs, card: Card, n: number): Answer[] {
  const all = (outputs.probabilities ?? outputs.values)?.data as Float32Array
  const k = all.length / n
  const features = outputs.features?.data as Float32Array | undefined
  return Array.from({ length: n }, (_, i): Answer => {
    const scores = all.slice(i * k, (i + 1) * k)
    const width = (features?.length ?? 0) / n
    const own = features ? { features: features.slice(i * width, (i + 1) * width) } : {}
    if (card.task === 'regression') return { task: 'regression', scores, ...own }
    if (card.task === 'single') {
      const label = (outputs.label!.data as string[])[i]!
      return {
        task: 'single',
        label,
        probability: scores[card.classes.indexOf(label)] ?? Math.max(...scores),
        scores,
        ...own,
      }
    }
    const decided = outputs.decided!.data as Uint8Array
    return { task: 'multi', labels: card.classes.filter((_, j) => decided[i * k + j]), scores, ...own }
  })
}

async function decode(bytes: Uint8Array, { input }: Card): Promise<Pixels> {
  const { default: sharp } = await import('sharp')
  const header = await sharp(bytes).metadata()
  const picture = sharp(bytes, { failOn: 'error', autoOrient: true, ignoreIcc: header.space !== 'cmyk' })
  if (header.hasAlpha) picture.flatten({ background: 'white' })
  const { data, info } = await picture
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  if (info.channels !== input.channels)
    throw new ModelError(`it decodes to ${info.channels} channels; the model takes ${input.channels}`)
  return { data, width: info.width, height: info.height, channels: info.channels }
}

/** The card in the metadata of an ONNX file, which stand before the graph. */
function cardOf(file: Uint8Array, path: string): Card {
  const other = (why: string) =>
    new ModelError(`${path}: ${why}; expected a model.onnx that \`anneal export\` has written`)
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; at < file.length; shift += 7) {
      const byte = file[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw other('it is cut off, or no ONNX file')
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  while (at < file.length) {
    const tag = varint()
    if ((tag & 7) === 0) varint()
    else if ((tag & 7) === 2) {
      const length = varint()
      if (at + length > file.length) throw other('it is cut off, or no ONNX file')
      if (tag >> 3 === 14) {
        const entry = text(file.subarray(at, at + length))
        const from = entry.indexOf('{')
        if (entry.includes(cardKey) && from >= 0) return JSON.parse(entry.slice(from)) as Card
      }
      at += length
    } else throw other('it is no ONNX file')
  }
  throw other('it is an ONNX file without the card of Anneal')
}
