import type { DTypeName } from './stored-tensor.ts'
import { countElements, maxDims } from './stored-tensor.ts'

/** The values that a pickle may hold. Lists and tuples are both arrays. Dictionaries are Maps, so no key is special. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleValue[]
  | PickleDict
  | Global
  | PickledStorage
  | PickledTensor

/** A Python dictionary. */
export interface PickleDict extends Map<PickleValue, PickleValue> {}

/** A storage that the pickle names. Its `numel` elements lie outside the pickle. Tensors may use elements `start` to
 *  `end`: all elements, except for views of a storage in old files. */
export interface PickledStorage {
  kind: 'storage'
  dtype: DTypeName
  key: string
  numel: number
  start: number
  end: number
}

/** A tensor as a strided view of a storage; `offset` and `strides` count elements. */
export interface PickledTensor {
  kind: 'tensor'
  storage: PickledStorage
  offset: number
  shape: number[]
  strides: number[]
}

/** A Python name on the allow-list: a storage type, or an object that this code builds. `call` returns `undefined` if
 *  the arguments are not what torch.save writes. `charge` counts work that the length of the pickle does not show. */
export interface Global {
  kind: 'global'
  name: string
  dtype?: DTypeName
  call?: (args: PickleValue[], charge: (work: number) => void) => PickleValue | undefined
}

const storageTypes: Record<string, DTypeName> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
}

/** The allow-list. A pickle can use only these names, and they run only the code below. */
export const globals: ReadonlyMap<string, Global> = new Map(
  [
    ...Object.entries(storageTypes).map(([name, dtype]): Global => ({ kind: 'global', name: `torch.${name}`, dtype })),
    { kind: 'global', name: 'collections.OrderedDict', call: orderedDict } as const,
    { kind: 'global', name: 'torch.Size', call: size } as const,
    { kind: 'global', name: 'torch._utils._rebuild_tensor', call: rebuildTensor } as const,
    { kind: 'global', name: 'torch._utils._rebuild_tensor_v2', call: rebuildTensor } as const,
    { kind: 'global', name: 'torch._utils._rebuild_parameter', call: rebuildParameter } as const,
  ].map(global => [global.name, global]),
)

/** `OrderedDict()`, or `OrderedDict([[key, value], ...])` as Python 2 wrote it. */
function orderedDict(args: PickleValue[], charge: (work: number) => void): PickleDict | undefined {
  const [pairs = []] = args
  if (args.length > 1 || !Array.isArray(pairs)) return undefined
  charge(pairs.length)
  const dict: PickleDict = new Map()
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined
    dict.set(pair[0]!, pair[1]!)
  }
  return dict
}

function size(args: PickleValue[]): PickleValue | undefined {
  const [sizes] = args
  return args.length === 1 && isSizes(sizes) ? sizes : undefined
}

/** `(storage, offset, size, stride, requires_grad?, hooks?, metadata?)`. The last three do not affect the bytes. */
function rebuildTensor(args: PickleValue[], charge: (work: number) => void): PickledTensor | undefined {
  const [storage, offset, shape, strides] = args
  if (args.length < 4 || args.length > 7 || !isKind(storage, 'storage')) return undefined
  if (!isCount(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) return undefined
  if (countElements(shape) === undefined) return undefined
  charge(2 * shape.length)
  return { kind: 'tensor', storage, offset, shape: [...shape], strides: [...strides] }
}

/** `(tensor, requires_grad, hooks)`. */
function rebuildParameter(args: PickleValue[]): PickledTensor | undefined {
  const [tensor] = args
  return args.length === 3 && isKind(tensor, 'tensor') ? tensor : undefined
}

/** Reads a persistent id as torch.save writes it: `('storage', type, key, device, numel)`, and in old files a sixth
 *  `None` or `(view key, offset, numel)`. `undefined` for anything else. */
export function storageOf(id: PickleValue): PickledStorage | undefined {
  if (!Array.isArray(id) || id.length < 5 || id.length > 6 || id[0] !== 'storage') return undefined
  const [, type, key, , numel, view = null] = id
  if (!isKind(type, 'global') || type.dtype === undefined || typeof key !== 'string' || !isCount(numel))
    return undefined
  const whole: PickledStorage = { kind: 'storage', dtype: type.dtype, key, numel, start: 0, end: numel }
  if (view === null) return whole
  if (!Array.isArray(view) || view.length !== 3) return undefined
  const [, start, length] = view
  if (!isCount(start) || !isCount(length) || start + length > numel) return undefined
  return { ...whole, start, end: start + length }
}

/** Whether a value is a global, a storage or a tensor. */
export function isKind<K extends 'global' | 'storage' | 'tensor'>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<Global | PickledStorage | PickledTensor, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}

const isCount = (value: PickleValue | undefined): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isSizes = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= maxDims && value.every(isCount)
