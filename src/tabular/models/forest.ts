import { ModelError } from '../../base/errors.ts'

/** Trees of LightGBM's model text, as arrays, and their sums for rows. Follows `Tree::NumericalDecision` and
 *  `Tree::CategoricalDecision` of LightGBM 4.7 (include/LightGBM/tree.h, MIT), so the sums are equal to its own, bit by
 *  bit. */
export class Forest {
  /** Sums for each row: one for each class, or one. */
  readonly outputs: number
  readonly features: number
  readonly trees: readonly Tree[]
  /** What LightGBM was trained for: `regression`, `binary sigmoid:1`, `multiclass num_class:3`. */
  readonly objective: string

  constructor(text: string, source = 'the model text') {
    const [head = '', ...trees] = text.split(/\n\nTree=\d+\n/)
    const values = fields(head)
    const refuse = (why: string): never => {
      throw new ModelError(`${source}: ${why}; expected the model text of LightGBM 4. Train the model again`)
    }
    if (!/^tree\n/.test(head) || values.get('version') !== 'v4') refuse('it is not a model text of version v4')
    this.outputs = Number(values.get('num_tree_per_iteration'))
    this.features = Number(values.get('max_feature_idx')) + 1
    this.objective = values.get('objective') ?? ''
    this.trees = trees.map((tree, i) => treeOf(fields(tree.split('\n\n')[0]!), `${source}, tree ${i}`))
    const count = values.get('tree_sizes')?.trim().split(/\s+/).length
    if (count !== this.trees.length || !(this.outputs >= 1) || this.trees.length % this.outputs !== 0)
      refuse(`it has ${this.trees.length} trees, its head says ${count}`)
  }

  /** The sums of the leaves, [rows × outputs], for features float32 [rows × features], row by row. */
  sums(data: Float32Array, rows: number): Float64Array {
    const { outputs, features, trees } = this
    const out = new Float64Array(rows * outputs)
    // Tree by tree over a block of rows: the tree and the block stay in the cache.
    for (let start = 0; start < rows; start += block) {
      const end = Math.min(rows, start + block)
      for (const [t, tree] of trees.entries())
        for (let row = start; row < end; row++)
          out[row * outputs + (t % outputs)]! += tree.leaves[leafOf(tree, data, row * features)]!
    }
    return out
  }
}

const block = 1024
/** The bit of `decision_type` of a split by a set of categories. */
export const categorical = 1
/** The bit of `decision_type` that sends a missing value left. */
export const defaultLeft = 2
/** What a missing value is in a split of numbers (`missingOf`). */
export const [missingIsZero, missingIsNaN] = [1, 2]
const zeroThreshold = 1e-35

/** One tree. A child below 0 is the leaf `~child`. */
export interface Tree {
  feature: Int32Array
  threshold: Float64Array
  decision: Uint8Array
  left: Int32Array
  right: Int32Array
  leaves: Float64Array
  /** Sets of categories: the bits of set i are `words[bounds[i]]` to `words[bounds[i + 1]]`, 32 a word. */
  bounds: Int32Array
  words: Uint32Array
}

/** The leaf of the row that begins at `at`. */
function leafOf(tree: Tree, data: Float32Array, at: number): number {
  const { feature, decision, left, right, threshold } = tree
  if (feature.length === 0) return 0
  let node = 0
  while (node >= 0) {
    const value = data[at + feature[node]!]!
    const kind = decision[node]!
    const goesLeft = kind & categorical ? inSet(tree, threshold[node]!, value) : isBelow(kind, threshold[node]!, value)
    node = goesLeft ? left[node]! : right[node]!
  }
  return ~node
}

/** What stands for a missing value in a split of numbers. */
export const missingOf = (kind: number): number => (kind >> 2) & 3

function isBelow(kind: number, threshold: number, value: number): boolean {
  const missing = missingOf(kind)
  if (Number.isNaN(value)) {
    if (missing === missingIsNaN) return (kind & defaultLeft) !== 0
    value = 0
  }
  if (missing === missingIsZero && value >= -zeroThreshold && value <= zeroThreshold) return (kind & defaultLeft) !== 0
  return value <= threshold
}

/** Whether a category is in a set, whose categories go left. */
export function inSet({ bounds, words }: Tree, set: number, value: number): boolean {
  if (Number.isNaN(value)) return false
  const category = Math.trunc(value)
  if (category < 0) return false
  const at = bounds[set]! + (category >> 5)
  return at < bounds[set + 1]! && ((words[at]! >>> (category & 31)) & 1) === 1
}

/** C++ writes infinity as `inf`: the threshold between a number and a missing value. */
const asNumber = (text: string): number => (/inf$/.test(text) ? Number(text.replace('inf', 'Infinity')) : Number(text))

const fields = (text: string): Map<string, string> =>
  new Map(
    text.split('\n').flatMap(line => {
      const at = line.indexOf('=')
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : []
    }),
  )

function treeOf(values: ReadonlyMap<string, string>, source: string): Tree {
  const numbers = (name: string): number[] => (values.get(name) ?? '').split(' ').filter(Boolean).map(asNumber)
  const tree: Tree = {
    feature: Int32Array.from(numbers('split_feature')),
    threshold: Float64Array.from(numbers('threshold')),
    decision: Uint8Array.from(numbers('decision_type')),
    left: Int32Array.from(numbers('left_child')),
    right: Int32Array.from(numbers('right_child')),
    leaves: Float64Array.from(numbers('leaf_value')),
    bounds: Int32Array.from(numbers('cat_boundaries')),
    words: Uint32Array.from(numbers('cat_threshold')),
  }
  const splits = tree.leaves.length - 1
  const whole = [tree.feature, tree.threshold, tree.decision, tree.left, tree.right].every(a => a.length === splits)
  if (splits < 0 || !whole || values.get('is_linear') === '1')
    throw new ModelError(
      `${source}: it has ${tree.leaves.length} leaves and ${tree.feature.length} splits${values.get('is_linear') === '1' ? ' and linear leaves' : ''}; expected one split fewer than leaves. Train the model again`,
    )
  return tree
}
