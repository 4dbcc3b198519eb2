import type { Graph } from '../../onnx/index.ts'
import { structureOf } from './layers.ts'

/** Two graphs with the same net, which differ in what stands before and after it: the nodes around its first layer are the same, under
 *  other names. Returns how values of the first graph are called in the other one, and back. needed: values that both must have;
 *  throws if one is not among those that agree. */
export function sameNet(
  graph: Graph,
  other: Graph,
  needed: Iterable<string> = [],
): { to(name: string): string; from(name: string): string } {
  const [own, theirs] = [graph, other].map(one => {
    const { nodes } = one
    const first = structureOf(one).layers[0]?.node
    return { nodes, at: nodes.findIndex(({ outputs }) => outputs[0] === first?.outputs[0]) }
  }) as [Nodes, Nodes]
  const [to, from] = [new Map<string, string>(), new Map<string, string>()]
  const pair = (names: readonly string[], twins: readonly string[]) => {
    for (const [i, name] of names.entries()) {
      to.set(name, twins[i]!)
      from.set(twins[i]!, name)
    }
  }
  /** Whether the nodes at this distance from the first layer agree. */
  const agree = (by: number): boolean => {
    const [node, twin] = [own.nodes[own.at + by], theirs.nodes[theirs.at + by]]
    if (!node || twin?.op !== node.op || twin.inputs.length !== node.inputs.length) return false
    pair(node.inputs, twin.inputs)
    pair(node.outputs, twin.outputs)
    return true
  }
  for (let by = 0; agree(by); ) by++
  for (let by = -1; agree(by); ) by--
  for (const name of needed)
    if (!to.has(name)) throw new Error(`the other graph of the model has no value in the place of ${name}`)
  return { to: name => to.get(name) ?? name, from: name => from.get(name) ?? name }
}

interface Nodes {
  nodes: Graph['nodes']
  /** The place of the first layer; -1 without layers. */
  at: number
}
