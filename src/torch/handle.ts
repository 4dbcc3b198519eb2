import type { DType } from './dtypes.ts'

/** The key under which a tensor or generator holds the number of its value in the addon; 0 when the value is freed. */
export const handle: symbol = Symbol('anneal.handle')

/** The part of a tensor that the addon, the scopes and the errors need. The class `Tensor` is built on these
 *  and implements it. */
export interface TensorHandle {
  readonly shape: number[]
  readonly dtype: DType
  readonly device: string
  readonly disposed: boolean
}

/** A class whose objects the addon makes, from the number of their value. */
export type HandleClass<T extends object = object> = new (id: number) => T

let classes: readonly [tensor: HandleClass<TensorHandle>, generator: HandleClass] | undefined

/** Sets the classes of the tensors and generators that the addon returns. */
export function wrapIn(tensor: HandleClass<TensorHandle>, generator: HandleClass): void {
  classes = [tensor, generator]
}

/** The classes that `wrapIn` set. */
export const wrappers = (): typeof classes => classes

/** Whether a value is a tensor. */
export const isTensor = (value: unknown): value is TensorHandle => classes !== undefined && value instanceof classes[0]

/** The number of a tensor's or generator's value in the addon. */
export const idOf = (value: object): number => (value as { [key: symbol]: number })[handle]!

/** Sets the number of a tensor's or generator's value in the addon. */
export function setId(value: object, id: number): void {
  ;(value as { [key: symbol]: number })[handle] = id
}
