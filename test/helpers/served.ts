import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { type Card, cardKey, Graph } from '../../src/onnx/index.ts'

/** The card of a test model. */
export const testCard = (more: Partial<Card> = {}): Card => ({
  format: 'anneal-model',
  version: 1,
  anneal: '0.1.0',
  name: 'colours',
  created: '2026-11-29T00:00:00Z',
  task: 'single',
  classes: ['10 red', '2 green', 'blue'],
  architectures: ['test'],
  input: {
    name: 'image',
    channels: 3,
    mode: 'rgb',
    size: 32,
    short: 32,
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  features: 3,
  metrics: { valid: {} },
  digests: { weights: ['0123456789abcdef'] },
  weights: 'float32',
  ...more,
})

/** An exported model that says which of red, green and blue a picture has most of, as bytes of an ONNX file. `order`
 *  turns the colours, for a model that disagrees. `outputs`: a card that names other classes than the graph gives. */
export function colourModel({
  card = testCard(),
  order = [0, 1, 2],
  channels = 3,
}: {
  card?: Card
  order?: number[]
  channels?: number
} = {}): Uint8Array {
  const g = new Graph()
  const image = g.input('image', 'uint8', ['N', 'H', 'W', channels])
  const x = g.add('Cast', [image], { to: 1 })
  const mean = g.add('ReduceMean', [x, g.ints('axes', [1, 2])], { keepdims: 0 })
  g.add('Gather', [mean, g.ints('order', order)], { axis: 1 }, 'features')
  g.output('features', 'float', ['N', 3])
  const scaled = g.add('Mul', ['features', g.floats('scale', [0.02], [1])])
  if (card.task === 'regression') g.output(g.add('Identity', [scaled], {}, 'values'), 'float', ['N', 3])
  else if (card.task === 'multi') {
    const p = g.add('Sigmoid', [g.add('Sub', [scaled, g.floats('half', [2.5], [1])])], {}, 'probabilities')
    g.output(p, 'float', ['N', 3])
    g.output(g.add('GreaterOrEqual', [p, g.floats('thresholds', card.thresholds!)], {}, 'decided'), 'bool', ['N', 3])
  } else {
    const p = g.add('Softmax', [scaled], { axis: 1 }, 'probabilities')
    g.output(p, 'float', ['N', 3])
    const best = g.add('ArgMax', [p], { axis: -1, keepdims: 0 })
    g.output(g.add('Gather', [g.strings('names', card.classes), best], { axis: 0 }, 'label'), 'string', ['N'])
  }
  return g.encode({ producer: 'anneal', version: '1', metadata: { [cardKey]: JSON.stringify(card) } })
}

/** A plain picture of one colour. */
export const picture = (background: string, width = 40, height = 30, format: 'png' | 'jpeg' | 'webp' = 'jpeg') =>
  sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer()

/** A PNG header that says so many pixels, with next to no data: a bomb. */
export function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    crc.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, crc])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', Buffer.from([0x78, 0x9c, 3, 0, 0, 0, 0, 1])),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** A folder for files of a test. */
export function modelFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-serve-'))
  return {
    /** Writes a model; returns its path. */
    write(name: string, bytes: Uint8Array): string {
      writeFileSync(join(folder, name), bytes)
      return join(folder, name)
    },
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
