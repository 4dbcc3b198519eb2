import type { Graph } from '../../onnx/index.ts'

/** Two graphs of one model that differ in what stands before the net: their last nodes are the same, under other names.
 *  Returns how values of the net alone are called in the other graph, and back. */
export function sameNet(net: Graph, other: Graph): { to(name: string): string; from(name: string): string } {
  const nodes = net.nodes
  const last = other.nodes.slice(-nodes.length)
  const [to, from] = [new Map<string, string>(), new Map<string, string>()]
  for (const [i, node] of nodes.entries()) {
    const twin = last[i]
    if (twin?.op !== node.op || twin.inputs.length !== node.inputs.length)
      throw new Error(`the graph of the whole model has ${twin?.op} in the place of ${node.name}`)
    for (const [own, theirs] of [
      [node.inputs, twin.inputs],
      [node.outputs, twin.outputs],
    ] as const)
      for (const [at, name] of own.entries()) {
        to.set(name, theirs[at]!)
        from.set(theirs[at]!, name)
      }
  }
  return { to: name => to.get(name) ?? name, from: name => from.get(name) ?? name }
}
