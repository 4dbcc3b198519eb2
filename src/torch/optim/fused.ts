import { native } from '../native.ts'
import type { Tensor } from '../tensor.ts'

/** Whether this libtorch has an optimizer's whole update as one operator on the CPU. */
function isKnown(): boolean {
  const [major = 0, minor = 0] = native.version().split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 4)
}

/** The lists as libtorch's fused updates take them, tensor by tensor in the order of memory: views that are contiguous,
 *  since the operators copy what is not. Undefined where they do not serve: an older libtorch, another device or type, a
 *  gradient that lies otherwise than its parameter. */
export function inMemoryOrder(...lists: readonly (readonly Tensor[])[]): Tensor[][] | undefined {
  if (!isKnown()) return undefined
  const views: Tensor[][] = lists.map(() => [])
  for (const [i, param] of lists[0]!.entries()) {
    const order = orderOf(param)
    for (const [k, list] of lists.entries()) {
      const t = list[i]!
      if (!order || t.dtype !== 'float32' || t.device !== 'cpu' || String(orderOf(t)) !== String(order))
        return undefined
      views[k]!.push(order.length ? t.permute(...order) : t)
    }
  }
  return views
}

/** The dimensions from the slowest to the fastest, where they are not in this order; undefined for gaps. */
function orderOf({ shape, strides }: Tensor): number[] | undefined {
  if (dense(shape, strides)) return []
  const order = [0, 2, 3, 1] // channels_last
  const rows = (list: number[]) => order.map(d => list[d]!)
  return shape.length === 4 && dense(rows(shape), rows(strides)) ? order : undefined
}

function dense(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return false
    expected *= shape[d]!
  }
  return true
}
