/** The public API as text, from the declarations in dist/: every name that `anneal` and `anneal/torch` export, with its
 *  signature, in api/anneal.api.txt and api/torch.api.txt.
 *
 *    npm run api             writes the two files
 *    node --import tsx tools/api.ts --check   fails where they differ from dist/, with the lines that differ, and where a
 *                            public signature names a type of the package that no entry exports
 *
 *  dist/ has to be fresh: `node tools/setup.mjs --dist`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What an entry of the package exports. */
interface Entry {
  /** As a program imports it: `anneal/torch`. */
  name: string
  /** By name; a namespace holds its own. */
  exports: Map<string, Exported>
}
type Exported = ts.Symbol | Map<string, Exported>

const isPrivate = (node: ts.Node): boolean =>
  ts.isClassElement(node) &&
  ((ts.canHaveModifiers(node) &&
    (ts.getModifiers(node)?.some(m => m.kind === ts.SyntaxKind.PrivateKeyword) ?? false)) ||
    (node.name !== undefined && ts.isPrivateIdentifier(node.name)))

/** The declarations of the package, read by the compiler. */
export class PublicApi {
  readonly entries: Entry[]
  readonly #checker: ts.TypeChecker
  readonly #folder: string

  /** `entries`: the declaration file of each entry, all below `folder`. */
  constructor(folder: string, entries: Record<string, string>) {
    this.#folder = folder
    const paths = Object.values(entries).map(path => join(folder, path))
    // The libraries of TypeScript and Node stay out: only names of the package are looked up.
    const program = ts.createProgram(paths, {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      noLib: true,
      types: [],
    })
    this.#checker = program.getTypeChecker()
    this.entries = Object.keys(entries).map((name, i) => {
      const file = program.getSourceFile(paths[i]!)
      if (!file) throw new Error(`${paths[i]} is missing: run \`node tools/setup.mjs --dist\``)
      return { name, exports: this.#exportsOf(this.#checker.getSymbolAtLocation(file)!) }
    })
  }

  #exportsOf(module: ts.Symbol): Map<string, Exported> {
    const found = new Map<string, Exported>()
    for (const symbol of this.#checker.getExportsOfModule(module)) {
      const target = this.#target(symbol)
      found.set(symbol.name, target.flags & ts.SymbolFlags.ValueModule ? this.#exportsOf(target) : target)
    }
    return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #target(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
  }

  /** The text of an entry: its exports in alphabetic order, without comments and private members. */
  text({ name, exports }: Entry): string {
    const lines = [
      `// What '${name}' exports. Written by \`npm run api\`. A change here is a change of the public API.`,
    ]
    return `${[...lines, ...this.#lines(exports)].join('\n\n')}\n`
  }

  *#lines(exports: Map<string, Exported>): Generator<string> {
    for (const [name, exported] of exports)
      if (exported instanceof Map)
        yield `namespace ${name} {\n${[...this.#lines(exported)].join('\n').replaceAll(/^(?=.)/gm, '    ')}\n}`
      else for (const declaration of exported.declarations ?? []) yield signature(name, declaration)
  }

  /** Types of the package that public signatures name and that neither their entry nor `anneal/torch` exports. */
  unexported(shared = 'anneal/torch'): string[] {
    const all = new Set<string>()
    const common = [...symbolsOf(this.entries.find(({ name }) => name === shared)?.exports)]
    for (const { name: entry, exports } of this.entries) {
      const open = new Set([...common, ...symbolsOf(exports)].map(([, symbol]) => symbol))
      for (const [name, symbol] of symbolsOf(exports))
        for (const declaration of symbol.declarations ?? [])
          for (const named of this.#named(declaration)) {
            const file = named.declarations?.[0]?.getSourceFile().fileName
            if (!file?.startsWith(this.#folder) || open.has(named) || named.flags & ts.SymbolFlags.TypeParameter)
              continue
            all.add(`${entry}: ${named.name} (${relative(this.#folder, file).split(sep).join('/')}), named by ${name}`)
          }
    }
    return [...all].sort()
  }

  /** The types and values that the types of a declaration name. */
  *#named(node: ts.Node): Generator<ts.Symbol> {
    if (isPrivate(node)) return
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : ts.isTypeQueryNode(node)
          ? node.exprName
          : ts.isImportTypeNode(node)
            ? node.qualifier
            : undefined
    const symbol = name && this.#checker.getSymbolAtLocation(name)
    if (symbol) yield this.#target(symbol)
    for (const child of childrenOf(node)) yield* this.#named(child)
  }
}

function childrenOf(node: ts.Node): ts.Node[] {
  const children: ts.Node[] = []
  ts.forEachChild(node, child => void children.push(child))
  return children
}

function* symbolsOf(exports: Map<string, Exported> = new Map(), within = ''): Generator<[string, ts.Symbol]> {
  for (const [name, exported] of exports)
    if (exported instanceof Map) yield* symbolsOf(exported, `${within}${name}.`)
    else yield [within + name, exported]
}

const printer = ts.createPrinter({ removeComments: true })

/** A declaration as text under the name that it is exported by. */
function signature(name: string, declaration: ts.Declaration): string {
  const file = declaration.getSourceFile()
  const print = (node: ts.Node) => printer.printNode(ts.EmitHint.Unspecified, node, file)
  // The signatures of ATen's operators are libtorch's, not ours.
  if (ts.isInterfaceDeclaration(declaration) && file.fileName.endsWith('.generated.d.ts'))
    return `interface ${name} {\n    // ${declaration.members.length} signatures, in src/torch/ops.generated.ts\n}`
  const text = ts.isVariableDeclaration(declaration)
    ? `const ${print(declaration)};`
    : ts.isClassDeclaration(declaration)
      ? print(withoutPrivate(declaration))
      : print(declaration)
  const plain = text.replace(/^(export |declare |default )+/, '').replaceAll(/import\("[^"]*"\)\./g, '')
  const own = ts.getNameOfDeclaration(declaration)?.getText()
  return own === name ? plain : `// ${own} as ${name}\n${plain}`
}

const withoutPrivate = (node: ts.ClassDeclaration): ts.ClassDeclaration =>
  ts.factory.updateClassDeclaration(
    node,
    node.modifiers,
    node.name,
    node.typeParameters,
    node.heritageClauses,
    node.members.filter(member => !isPrivate(member)),
  )

/** The lines that one text has and the other has not, in order, with the names of what they are in. */
export function difference(before: string, after: string): string[] {
  const blocks = (text: string) => new Map(text.split('\n\n').map(block => [block.split('\n')[0]!, block.split('\n')]))
  const [old, now] = [blocks(before), blocks(after)]
  const lines: string[] = []
  for (const head of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [gone, come] = [old.get(head) ?? [], now.get(head) ?? []]
    const minus = gone.filter(line => !come.includes(line))
    const plus = come.filter(line => !gone.includes(line))
    if (minus.length + plus.length === 0 && gone.length === come.length) continue
    if (gone.includes(head) && come.includes(head)) lines.push(`  ${head}`)
    lines.push(...minus.map(line => `- ${line}`), ...plus.map(line => `+ ${line}`))
    if (minus.length + plus.length === 0) lines.push('  (the same lines, some more or less often)')
  }
  return lines
}

/** The package's own API. */
export const publicApi = (): PublicApi =>
  new PublicApi(join(root, 'dist'), { anneal: 'index.d.ts', 'anneal/torch': 'torch/index.d.ts' })

function main(check: boolean): void {
  const api = publicApi()
  const problems: string[] = []
  mkdirSync(join(root, 'api'), { recursive: true })
  for (const entry of api.entries) {
    const path = `api/${entry.name.split('/').at(-1)}.api.txt`
    const text = api.text(entry)
    const before = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : ''
    if (!check) writeFileSync(join(root, path), text)
    else if (before !== text)
      problems.push(
        `The public API differs from ${path}. If the change is meant, run \`npm run api\` and commit the file.`,
        ...difference(before, text),
        '',
      )
  }
  const unexported = api.unexported()
  if (unexported.length)
    problems.push('Public signatures name types that are not exported. Export them from src/index.ts:', ...unexported)
  if (problems.length) console.error(problems.join('\n'))
  process.exitCode = problems.length ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.includes('--check'))
