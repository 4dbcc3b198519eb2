import { ModelError } from '../../base/errors.ts'
import { bytesOf, type Graph } from '../../onnx/index.ts'
import {
  categorical,
  defaultLeft,
  type Forest,
  inSet,
  missingIsNaN,
  missingIsZero,
  missingOf,
  type Tree,
} from '../../tabular/models/forest.ts'
import type { GraphFeatures } from './columns.ts'

/** Adds the sums of forests: features → float64 [N, outputs of all forests]. Features and thresholds are float64, as LightGBM
 *  compares them, so each row ends in the same leaf. The operator adds in float64 and rounds a sum to float32. */
export function addForests(
  graph: Graph,
  { numbers, codes }: GraphFeatures,
  { forests, cardinalities }: { forests: readonly Forest[]; cardinalities: readonly number[] },
): string {
  const parts = [numbers, codes].flatMap(part => (part === undefined ? [] : [graph.add('Cast', [part], { to: 11 })]))
  const features = parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 1 })
  const outputs = forests.reduce((sum, forest) => sum + forest.outputs, 0)
  const nodes = new Nodes()
  let first = 0
  for (const forest of forests) {
    const codesFrom = forest.features - cardinalities.length
    for (const [t, tree] of forest.trees.entries())
      nodes.addTree(tree, { output: first + (t % forest.outputs), codesOf: f => cardinalities[f - codesFrom] ?? 0 })
    first += forest.outputs
  }
  const sums = graph.add('TreeEnsembleRegressor', [features], { n_targets: outputs, ...nodes.attributes() }, 'trees')
  return graph.add('Cast', [sums], { to: 11 })
}

/** The nodes of `TreeEnsembleRegressor`, as its attributes list them. */
class Nodes {
  readonly #tree: number[] = []
  readonly #id: number[] = []
  readonly #feature: number[] = []
  readonly #mode: string[] = []
  readonly #value: number[] = []
  readonly #yes: number[] = []
  readonly #no: number[] = []
  readonly #missing: number[] = []
  readonly #targetTree: number[] = []
  readonly #targetNode: number[] = []
  readonly #target: number[] = []
  readonly #weight: number[] = []
  #trees = 0

  addTree(tree: Tree, { output, codesOf }: { output: number; codesOf(feature: number): number }): void {
    const number = this.#trees++
    const start = this.#id.length
    const put = (feature: number, mode: string, value: number): number => {
      const id = this.#id.length - start
      this.#tree.push(number)
      this.#id.push(id)
      this.#feature.push(feature)
      this.#mode.push(mode)
      this.#value.push(value)
      this.#yes.push(0)
      this.#no.push(0)
      this.#missing.push(0)
      return id
    }
    // A node stands before its children; trees of LightGBM may be deeper than the call stack.
    const open: { child: number; set(id: number): void }[] = []
    const follow = (child: number, list: number[], at: number) =>
      open.push({ child, set: id => void (list[start + at] = id) })
    const visit = (child: number): number => {
      if (child < 0 || tree.feature.length === 0) {
        const id = put(0, 'LEAF', 0)
        this.#targetTree.push(number)
        this.#targetNode.push(id)
        this.#target.push(output)
        this.#weight.push(tree.leaves[child < 0 ? ~child : 0]!)
        return id
      }
      const [feature, kind] = [tree.feature[child]!, tree.decision[child]!]
      const [left, right] = [tree.left[child]!, tree.right[child]!]
      if (!(kind & categorical)) {
        const id = put(feature, 'BRANCH_LEQ', tree.threshold[child]!)
        this.#missing[start + id] = Number(missingGoesLeft(kind, tree.threshold[child]!))
        follow(left, this.#yes, id)
        follow(right, this.#no, id)
        return id
      }
      return this.#set(tree, child, { codes: codesOf(feature), put, start, follow })
    }
    visit(0)
    for (let next = open.pop(); next; next = open.pop()) next.set(visit(next.child))
  }

  /** A set of categories: a chain of equalities, whose hits all lead to one child. The shorter of the set and the rest is
   *  listed. */
  #set(
    tree: Tree,
    node: number,
    {
      codes,
      put,
      start,
      follow,
    }: {
      codes: number
      put(feature: number, mode: string, value: number): number
      start: number
      follow(child: number, list: number[], at: number): void
    },
  ): number {
    const all = Array.from({ length: codes }, (_, code) => code)
    const goLeft = all.filter(code => inSet(tree, tree.threshold[node]!, code))
    const goRight = all.filter(code => !inSet(tree, tree.threshold[node]!, code))
    const left = goLeft.length <= goRight.length
    const listed = left ? goLeft : goRight
    const [hit, rest] = left ? [tree.left[node]!, tree.right[node]!] : [tree.right[node]!, tree.left[node]!]
    if (listed.length === 0) {
      const id = put(tree.feature[node]!, 'BRANCH_LEQ', Number.NEGATIVE_INFINITY)
      follow(hit, this.#yes, id)
      follow(rest, this.#no, id)
      return id
    }
    const chain = listed.map(code => put(tree.feature[node]!, 'BRANCH_EQ', code))
    for (const [i, id] of chain.entries()) if (i + 1 < chain.length) this.#no[start + id] = chain[i + 1]!
    follow(rest, this.#no, chain.at(-1)!)
    const [first, ...others] = chain
    follow(hit, this.#yes, first!)
    this.#shared.push({ from: start + first!, to: others.map(id => start + id) })
    return first!
  }
  /** Nodes whose hits lead to the child of another node. */
  readonly #shared: { from: number; to: number[] }[] = []

  attributes() {
    for (const { from, to } of this.#shared) for (const at of to) this.#yes[at] = this.#yes[from]!
    return {
      nodes_treeids: this.#tree,
      nodes_nodeids: this.#id,
      nodes_featureids: this.#feature,
      nodes_modes: { strings: this.#mode },
      nodes_values_as_tensor: doubles(this.#value),
      nodes_truenodeids: this.#yes,
      nodes_falsenodeids: this.#no,
      nodes_missing_value_tracks_true: this.#missing,
      target_treeids: this.#targetTree,
      target_nodeids: this.#targetNode,
      target_ids: this.#target,
      target_weights_as_tensor: doubles(this.#weight),
    }
  }
}

const doubles = (values: readonly number[]) => ({
  tensor: { type: 'double' as const, shape: [values.length], data: bytesOf(Float64Array.from(values)) },
})

/** Where LightGBM sends a missing value: by the split's default, or as 0 where training had none. */
function missingGoesLeft(kind: number, threshold: number): boolean {
  const missing = missingOf(kind)
  if (missing === missingIsZero)
    throw new ModelError('trees that take 0 as a missing value can not be exported; train again with this version')
  return missing === missingIsNaN ? (kind & defaultLeft) !== 0 : threshold >= 0
}
