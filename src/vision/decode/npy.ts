import { ImageError } from '../../base/errors.ts'
import { type ImageFormat, latin1 } from './format.ts'
import { checkValues } from './limits.ts'
import type { Depth, Raster } from './raster.ts'
import { isNumberType, type NumberType, readNumbers } from './sample-types.ts'

/** A longer header is not a valid one, in bytes. */
const longestHeader = 65_536

/** Arrays of numpy. */
export const npy: ImageFormat = {
  name: 'npy',
  endings: '.npy',
  sniff: head => latin1(head, 0, 6) === '\x93NUMPY',
  probe(bytes) {
    const { type, shape } = readNpyHeader(bytes)
    const { channels } = layoutOf(shape)
    return { channels, depth: npyDepth(type), use: channels === 1 || channels === 3 ? 'picture' : 'bands' }
  },
  // A Buffer's slices are no copies.
  decode: (bytes, { limit }) => readNpy(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), limit),
  isArray: true,
}

/** Reads one array of numpy's `.npy` format, versions 1 to 3 (numpy/lib/format.py): [H, W], [H, W, C] or [C, H, W]. The
 *  channels are the smaller of the first and the last dimension. It takes as much memory as the file holds, and that of
 *  the values as float32 if their type is converted. */
function readNpy(bytes: Uint8Array, limit: number): Raster {
  const { type, littleEndian, fortran, shape, start } = readNpyHeader(bytes)
  const size = Number(type[1])
  const count = shape.reduce((product, n) => product * n, 1)
  const layout = layoutOf(shape)
  checkValues({ ...layout, depth: npyDepth(type) }, limit)
  if (!(count * size <= bytes.length - start))
    throw new ImageError(
      `its data are cut off: its header gives ${count * size} bytes for the shape [${shape}], ${bytes.length - start} are there`,
    )
  const own = bytes.slice(start, start + count * size)
  const values = type === 'b1' ? own.map(value => (value ? 255 : 0)) : readNumbers(own, type, littleEndian)
  const strides = stridesOf(shape, fortran)
  const { height, width, channels } = layout
  const [sh, sw, sc] = layout.axes.map(axis => (axis === undefined ? 0 : strides[axis]!)) as [number, number, number]
  if ((channels === 1 || sc === 1) && sw === channels && sh === width * channels)
    return { data: values, height, width, channels, alpha: false }
  const data = new (values.constructor as new (length: number) => typeof values)(count)
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) for (let c = 0; c < channels; c++) data[to++] = values[y * sh + x * sw + c * sc]!
  return { data, height, width, channels, alpha: false }
}

/** The type that the values of a `.npy` file are converted to. */
const npyDepth = (type: NumberType | 'b1'): Depth =>
  type === 'u2' ? 'uint16' : type === 'u1' || type === 'b1' ? 'uint8' : 'float32'

/** Reads the header of a `.npy` file, and where its data start. */
function readNpyHeader(bytes: Uint8Array): {
  type: NumberType | 'b1'
  littleEndian: boolean
  fortran: boolean
  shape: number[]
  start: number
} {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = bytes[6] ?? 0
  const at = version === 1 ? 10 : 12
  if (bytes.length < at) throw new ImageError('its npy header is cut off')
  if (version < 1 || version > 3) throw new ImageError(`npy version ${version} is not supported; expected 1, 2 or 3`)
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > longestHeader || at + length > bytes.length) throw new ImageError('its npy header is cut off')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1')
  const descr = /'descr'\s*:\s*'([<>|=])([a-z]\d{1,2})'/.exec(text)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)
  const dims = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text)
  const shape = dims?.[1]
    ?.split(',')
    .filter(n => n.trim() !== '')
    .map(Number)
  if (!order || !shape?.every(Number.isSafeInteger))
    throw new ImageError('its npy header is no header that numpy writes')
  const type = descr?.[2]
  if (!type || !(isNumberType(type) || type === 'b1'))
    throw new ImageError(
      `it holds ${type ?? 'records, objects or text'}, expected numbers (b1, u1, u2, u4, i1, i2, i4, i8, f2, f4 or f8)`,
    )
  return { type, littleEndian: descr![1] !== '>', fortran: order[1] === 'True', shape, start: at + length }
}

interface Layout {
  height: number
  width: number
  channels: number
  /** The axes of height, width and channels. */
  axes: [height: number, width: number, channels: number | undefined]
}

/** Which axes of an array are height, width and channels. */
function layoutOf(shape: readonly number[]): Layout {
  const [a = 0, b = 0, c = 0] = shape
  if (shape.length < 2 || shape.length > 3)
    throw new ImageError(
      `its shape is [${shape}]; expected [height, width], [height, width, channels] or channels first`,
    )
  if (shape.some(n => n === 0)) throw new ImageError(`its shape [${shape}] holds no pixels`)
  if (shape.length === 2) return { height: a, width: b, channels: 1, axes: [0, 1, undefined] }
  if (a === c)
    throw new ImageError(
      `its shape [${shape}] does not say whether the channels come first or last, both being ${a}; save it with the channels last and more pixels than channels`,
    )
  return a < c
    ? { height: b, width: c, channels: a, axes: [1, 2, 0] }
    : { height: a, width: b, channels: c, axes: [0, 1, 2] }
}

function stridesOf(shape: readonly number[], fortran: boolean): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let i = 0; i < shape.length; i++) {
    const axis = fortran ? i : shape.length - 1 - i
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}
