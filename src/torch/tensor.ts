import { TensorError } from '../base/errors.ts'
import { ask, call, operators } from './call.ts'
import type { DType, MemoryFormat, Scalar } from './dtypes.ts'
import { idOf, setId, type TensorHandle, wrapIn } from './handle.ts'
import { native, type TensorArray } from './native.ts'
import type { Aten } from './ops.generated.ts'
import { adopt, adoptGenerator, release, type tensors } from './scope.ts'

/** Every operator of the loaded libtorch, by name: `aten.conv2d(x, w, { stride: 2, padding: 1 })`. The signatures are
 *  generated from the schemas; the arguments select the overload. */
export const aten: Aten<Tensor, Generator> = operators as Aten<Tensor, Generator>

/** A function of one tensor: a module, an activation, a pooling. One that computes together with the layer after it
 *  (a convolution with its BatchNorm) says so by `fuse`. */
export interface Layer {
  (x: Tensor): Tensor
  fuse?(next: Layer): Layer | undefined
}

/** Implemented by objects that hold tensors and can be kept or returned as a whole: modules, optimizers. */
export interface HoldsTensors {
  [tensors](): Iterable<Tensor>
}

/** An n-dimensional array of libtorch. It lives until its scope ends (`scope`), until `dispose()`, or, made outside
 *  every scope, until the collector finds it. Arithmetic is ATen's: broadcasting, type promotion, autograd. */
export class Tensor implements TensorHandle {
  constructor(id: number) {
    setId(this, id)
    adopt(this)
  }

  get shape(): number[] {
    return ask('shape', [this], () => native.shape(this))
  }
  get dtype(): DType {
    return ask('dtype', [this], () => native.dtype(this) as DType)
  }
  /** `cpu`, `cuda:0`. */
  get device(): string {
    return ask('device', [this], () => native.device(this))
  }
  get strides(): number[] {
    return ask('strides', [this], () => native.strides(this))
  }
  /** Number of elements. */
  get numel(): number {
    return this.shape.reduce((a, b) => a * b, 1)
  }
  /** Bytes of the elements. */
  get byteLength(): number {
    return ask('byteLength', [this], () => native.byteLength(this))
  }
  /** Whether its memory was freed; any further use throws. */
  get disposed(): boolean {
    return idOf(this) === 0
  }

  get requiresGrad(): boolean {
    return ask('requiresGrad', [this], () => native.requiresGrad(this))
  }
  set requiresGrad(on: boolean) {
    ask('requiresGrad', [this], () => native.setRequiresGrad(this, on))
  }
  get isLeaf(): boolean {
    return ask('isLeaf', [this], () => native.isLeaf(this))
  }
  /** The gradient that `backward` left, or null. */
  get grad(): Tensor | null {
    return ask('grad', [this], () => native.getGrad(this))
  }
  set grad(gradient: Tensor | null) {
    ask('grad', [this, gradient], () => native.setGrad(this, gradient))
  }
  /** Adds d(this)/d(leaf) to `grad` of every leaf that this depends on. A tensor of more than one element needs
   *  `gradient`. */
  backward({ gradient, retainGraph = false, createGraph = false, inputs = [] }: BackwardOptions = {}): void {
    ask('backward', [this, gradient, inputs], () =>
      native.backward([this], gradient ? [gradient] : [], retainGraph || createGraph, createGraph, inputs),
    )
  }

  /** Its one element as a number. */
  item(): number {
    return ask('item', [this], () => native.item(this))
  }
  /** A copy of the elements, row-major; int64 as bigint, 16-bit floats as their bits (see `numbers`). */
  data(): TensorArray {
    return ask('data', [this], () => native.toBytes(this))
  }
  /** The tensor's own memory, without a copy (contiguous, on the CPU). Writing to it changes the tensor. */
  view(): TensorArray {
    return ask('view', [this], () => native.viewBytes(this))
  }

  /** The layers one after another: `x.pipe(conv1, bn1, relu)`. Where a layer can compute together with the next, it
   *  does. */
  pipe(...layers: readonly Layer[]): Tensor {
    let x: Tensor = this
    for (let i = 0; i < layers.length; i++) {
      let layer = layers[i]!
      for (let fused: Layer | undefined; i + 1 < layers.length; layer = fused, i++) {
        fused = layer.fuse?.(layers[i + 1]!)
        if (!fused) break
      }
      x = layer(x)
    }
    return x
  }

  // Arithmetic, broadcasting as ATen does.
  add(other: Tensor | Scalar): Tensor {
    return aten.add(this, other as Tensor)
  }
  sub(other: Tensor | Scalar): Tensor {
    return aten.sub(this, other as Tensor)
  }
  mul(other: Tensor | Scalar): Tensor {
    return aten.mul(this, other as Tensor)
  }
  div(other: Tensor | Scalar): Tensor {
    return aten.div(this, other as Tensor)
  }
  neg(): Tensor {
    return aten.neg(this)
  }
  pow(exponent: Tensor | number): Tensor {
    return aten.pow(this, exponent as Tensor)
  }
  matmul(other: Tensor): Tensor {
    return aten.matmul(this, other)
  }
  eq(other: Tensor | Scalar): Tensor {
    return aten.eq(this, other as Tensor)
  }
  abs(): Tensor {
    return aten.abs(this)
  }
  exp(): Tensor {
    return aten.exp(this)
  }
  log(): Tensor {
    return aten.log(this)
  }
  sqrt(): Tensor {
    return aten.sqrt(this)
  }
  rsqrt(): Tensor {
    return aten.rsqrt(this)
  }
  relu(): Tensor {
    return aten.relu(this)
  }
  sigmoid(): Tensor {
    return aten.sigmoid(this)
  }
  clamp(min: number, max: number): Tensor {
    return aten.clamp(this, { min, max })
  }
  softmax(dim: number): Tensor {
    return aten.softmax(this, dim)
  }
  logSoftmax(dim: number): Tensor {
    return aten.log_softmax(this, dim)
  }

  // Reductions: over everything, or over `dim`.
  sum(dim?: number | readonly number[], { keepdim = false } = {}): Tensor {
    return dim === undefined ? aten.sum(this) : aten.sum(this, dims(dim), { keepdim })
  }
  mean(dim?: number | readonly number[], { keepdim = false } = {}): Tensor {
    return dim === undefined ? aten.mean(this) : aten.mean(this, dims(dim), { keepdim })
  }
  max(): Tensor {
    return aten.max(this)
  }
  min(): Tensor {
    return aten.min(this)
  }
  argmax(dim?: number): Tensor {
    return aten.argmax(this, { dim: dim ?? null })
  }

  // Shape.
  reshape(...shape: number[]): Tensor {
    return aten.reshape(this, shape)
  }
  flatten(start = 0, end = -1): Tensor {
    return aten.flatten(this, { start_dim: start, end_dim: end })
  }
  permute(...order: number[]): Tensor {
    return aten.permute(this, order)
  }
  transpose(a: number, b: number): Tensor {
    return aten.transpose(this, a, b)
  }
  unsqueeze(dim: number): Tensor {
    return aten.unsqueeze(this, dim)
  }
  squeeze(dim: number): Tensor {
    return aten.squeeze(this, dim)
  }
  expand(...shape: number[]): Tensor {
    return aten.expand(this, shape)
  }
  /** `length` elements of dimension `dim` from `start`, as a view. */
  narrow(dim: number, start: number, length: number): Tensor {
    return aten.narrow(this, dim, start, length)
  }
  /** Element `index` of dimension `dim`, as a view of one dimension less. */
  select(dim: number, index: number): Tensor {
    return aten.select(this, dim, index)
  }
  indexSelect(dim: number, index: Tensor): Tensor {
    return aten.index_select(this, dim, index)
  }
  contiguous(memoryFormat: MemoryFormat = 'contiguous_format'): Tensor {
    return aten.contiguous(this, { memory_format: memoryFormat })
  }

  // Type, device, copies.
  /** The same values in another type and on another device; itself where nothing changes. */
  to(dtype: DType, { device }: { device?: string } = {}): Tensor {
    return device === undefined ? call('to.dtype', this, dtype) : call('to.device', this, device, dtype)
  }
  clone(): Tensor {
    return aten.clone(this)
  }
  detach(): Tensor {
    return aten.detach(this)
  }
  /** The elements as plain numbers, row-major, for any type. */
  numbers(): number[] {
    const bare = aten.detach(this)
    const plain = bare.to('float64')
    try {
      return Array.from(plain.data() as Float64Array)
    } finally {
      plain.dispose()
      bare.dispose()
    }
  }

  // In place; each returns this tensor.
  copy_(source: Tensor): this {
    aten.copy_(this, source).dispose()
    return this
  }
  fill_(value: Scalar): this {
    aten.fill_(this, value).dispose()
    return this
  }
  zero_(): this {
    aten.zero_(this).dispose()
    return this
  }
  add_(other: Tensor | Scalar, { alpha = 1 } = {}): this {
    aten.add_(this, other as Tensor, { alpha }).dispose()
    return this
  }
  mul_(other: Tensor | Scalar): this {
    aten.mul_(this, other as Tensor).dispose()
    return this
  }

  /** Frees the memory now. */
  dispose(): void {
    release(this)
  }
  [Symbol.dispose](): void {
    release(this)
  }
  toString(): string {
    return this.disposed ? 'Tensor(freed)' : `Tensor([${this.shape}], ${this.dtype}, ${this.device})`
  }
}

/** A generator of random numbers, separate from the default one. Made by `generator(seed)`. */
export class Generator {
  constructor(id: number) {
    setId(this, id)
    adoptGenerator(this)
  }
  /** The whole state, as a uint8 tensor on the CPU. */
  get state(): Tensor {
    return native.generatorState(this)
  }
  set state(state: Tensor) {
    ask('Generator.state', [state], () => native.setGeneratorState(this, state))
  }
}

/** How `backward` goes through the graph: torch's own options. */
export interface BackwardOptions {
  gradient?: Tensor | undefined
  retainGraph?: boolean | undefined
  createGraph?: boolean | undefined
  inputs?: Tensor[] | undefined
}

wrapIn(Tensor, Generator)

const dtypeOfArray = new Map<string, DType>([
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
  ['Buffer', 'uint8'],
  ['Int8Array', 'int8'],
  ['Int16Array', 'int16'],
  ['Int32Array', 'int32'],
  ['BigInt64Array', 'int64'],
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
])

/** A typed array as a tensor. Without a copy (`copy: false`) the two share memory and the tensor keeps the array alive;
 *  otherwise it is copied. `dtype` reads the same bytes as another type (bfloat16 from a Uint16Array). */
export function fromArray(
  data: ArrayBufferView,
  shape: readonly number[],
  { dtype = dtypeOfArray.get(data.constructor.name), copy = true }: { dtype?: DType | undefined; copy?: boolean } = {},
): Tensor {
  if (!dtype) throw new TensorError(`fromArray: a ${data.constructor.name} needs \`dtype\``)
  return ask('fromArray', [], () => native.fromBytes(data, shape, dtype, copy))
}

const dims = (dim: number | readonly number[]): readonly number[] => (typeof dim === 'number' ? [dim] : dim)

/** A number, or lists of numbers as deep as a tensor has dimensions. */
export type NestedScalars = Scalar | readonly NestedScalars[]

/** A tensor from nested arrays, one level per dimension: `tensor([[1, 2], [3, 4]])`. Default type: float32; bool for
 *  booleans, int64 for bigints. */
export function tensor(values: NestedScalars | ArrayBufferView, { dtype }: { dtype?: DType } = {}): Tensor {
  if (ArrayBuffer.isView(values)) {
    const t = fromArray(values, [(values as Uint8Array).length])
    return dtype && t.dtype !== dtype ? converted(t, dtype) : t
  }
  const shape: number[] = []
  for (let level: NestedScalars = values; Array.isArray(level); level = level[0]!) shape.push(level.length)
  const flat: Scalar[] = []
  const visit = (value: NestedScalars, depth: number): void => {
    if (!Array.isArray(value)) {
      if (depth !== shape.length) throw new TensorError('tensor: every row must be as long and as deep as the first')
      flat.push(value as Scalar)
      return
    }
    if (depth === shape.length || value.length !== shape[depth])
      throw new TensorError(`tensor: expected ${shape[depth] ?? 'no'} elements at depth ${depth}, got ${value.length}`)
    for (const inner of value) visit(inner as NestedScalars, depth + 1)
  }
  visit(values, 0)
  const kind: DType =
    dtype ?? (typeof flat[0] === 'bigint' ? 'int64' : typeof flat[0] === 'boolean' ? 'bool' : 'float32')
  if (kind === 'int64')
    return fromArray(
      BigInt64Array.from(flat, v => BigInt(v)),
      shape,
    )
  if (kind === 'bool')
    return fromArray(
      Uint8Array.from(flat, v => (v ? 1 : 0)),
      shape,
      { dtype: 'bool' },
    )
  if (kind === 'float64') return fromArray(Float64Array.from(flat, Number), shape)
  if (kind === 'float32') return fromArray(Float32Array.from(flat, Number), shape)
  return converted(fromArray(Float64Array.from(flat, Number), shape), kind)
}

function converted(t: Tensor, dtype: DType): Tensor {
  const out = t.to(dtype)
  t.dispose()
  return out
}
