// Parses the sources into syntax trees, for the tests that read them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Source {
  /** From the root of the repository: `src/torch/call.ts`. */
  path: string
  tree: ts.SourceFile
}

/** Every TypeScript file below a folder. */
export function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .sort()
    .map(name => {
      const path = `${folder}/${name}`
      return {
        path,
        tree: ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true),
      }
    })
}

/** Every node of a file. */
export function* nodes(node: ts.Node): Generator<ts.Node> {
  yield node
  for (const child of node.getChildren()) yield* nodes(child)
}

/** `src/torch/call.ts:12` */
export const place = ({ path, tree }: Source, node: ts.Node): string =>
  `${path}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
