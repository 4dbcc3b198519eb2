import type { DType, MemoryFormat, Scalar } from './dtypes.ts'
import { aten, type Generator, type Tensor } from './tensor.ts'

/** Type and device of a new tensor. Default: float32 on the CPU. */
export interface Like {
  dtype?: DType
  device?: string
}
/** How a random tensor is made, and from which generator. */
export type RandomLike = Like & { generator?: Generator }

/** All 0. Default: float32. */
export const zeros = (shape: readonly number[], like: Like = {}): Tensor => aten.zeros(shape, like)
/** All 1. Default: float32. */
export const ones = (shape: readonly number[], like: Like = {}): Tensor => aten.ones(shape, like)
/** All `value`. Default: float32 for a number, whole or not; bool for a boolean, int64 for a bigint. */
export const full = (shape: readonly number[], value: Scalar, like: Like = {}): Tensor =>
  aten.full(shape, value, typeof value === 'number' ? { dtype: 'float32', ...like } : like)
/** Uninitialised memory. */
export const empty = (shape: readonly number[], like: Like & { memory_format?: MemoryFormat } = {}): Tensor =>
  aten.empty(shape, like)
/** 0, 1, … `end` - 1. Default: int64. */
export const arange = (end: number, like: Like = {}): Tensor => aten.arange(end, { dtype: 'int64', ...like })
/** All 0, of the shape, dtype, device and memory format of `t`. */
export const zerosLike = (t: Tensor): Tensor => aten.zeros_like(t)
/** Gaussian with mean 0 and standard deviation 1. */
export const randn = (shape: readonly number[], like: RandomLike = {}): Tensor => aten.randn(shape, like as Like)
/** Uniform in [0, 1). */
export const rand = (shape: readonly number[], like: RandomLike = {}): Tensor => aten.rand(shape, like as Like)
/** Whole numbers in [0, `high`), int64. */
export const randint = (high: number, shape: readonly number[], like: RandomLike = {}): Tensor =>
  aten.randint(high, shape, { dtype: 'int64', ...like } as Like)
/** The tensors joined along dimension `dim`. */
export const cat = (tensors: readonly Tensor[], dim = 0): Tensor => aten.cat(tensors, { dim })
/** The tensors joined along a new dimension `dim`. */
export const stack = (tensors: readonly Tensor[], dim = 0): Tensor => aten.stack(tensors, { dim })
