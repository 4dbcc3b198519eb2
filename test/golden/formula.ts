/** Weights and pictures that Python (formula.py) and TypeScript both compute, bit for bit, without a random generator. */

/** The CRC-32 of a name's UTF-8 bytes, as zlib's. */
function crc32(name: string): number {
  let crc = -1
  for (const byte of new TextEncoder().encode(name)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

/** Uniform values in [-0.5, 0.5), made into others: a murmur3 finaliser over the index, seeded by the CRC-32 of the name. */
function fill<A extends Float32Array | Float64Array>(out: A, name: string, value = (v: number) => v): A {
  const seed = crc32(name)
  for (let i = 0; i < out.length; i++) {
    let x = Math.imul(i, 0x9e3779b1) + seed
    x ^= x >>> 16
    x = Math.imul(x, 0x85ebca6b)
    x ^= x >>> 13
    x = Math.imul(x, 0xc2b2ae35)
    out[i] = value(((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5)
  }
  return out
}

/** Uniform values in [-0.5, 0.5). */
export const hashed = (name: string, count: number): Float64Array => fill(new Float64Array(count), name)

const size = (shape: readonly number[]) => shape.reduce((n, k) => n * k, 1)

/** The values of a state dict's tensor by name and shape. Two or more dimensions: standard deviation
 *  `gain` · √(2 / fan-in), with the model's `gain` from models.json; else by how the name ends. */
export function formulaValues(name: string, shape: readonly number[], gain = 1): Float32Array {
  const scale = gain * Math.sqrt(24 / size(shape.slice(1)))
  const value = name.endsWith('num_batches_tracked')
    ? () => 0
    : shape.length >= 2
      ? (v: number) => v * scale
      : name.endsWith('running_var')
        ? (v: number) => 1 + 0.5 * Math.abs(v)
        : name.endsWith('weight')
          ? (v: number) => 1 + 0.1 * v
          : (v: number) => 0.1 * v
  return fill(new Float32Array(size(shape)), name, value)
}

/** A picture [N, C, H, W]: blocks of 8 × 8 pixels in [-1.5, 1.5) with noise of a third of that. */
export function formulaPicture(shape: readonly [n: number, c: number, h: number, w: number]): Float32Array {
  const [n, c, h, w] = shape
  const rows = Math.ceil(h / 8)
  const cols = Math.ceil(w / 8)
  const blocks = hashed('blocks', n * c * rows * cols)
  return Float32Array.from(hashed('noise', size(shape)), (noise, i) => {
    const x = i % w
    const y = Math.floor(i / w) % h
    const plane = Math.floor(i / (w * h))
    return 3 * blocks[(plane * rows + (y >> 3)) * cols + (x >> 3)]! + noise
  })
}
