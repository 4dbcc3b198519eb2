/** The public API as text, from the declarations in dist/.
 *
 *    npm run api        writes api/anneal.api.txt and api/torch.api.txt: every name that an entry exports, with its signature
 *    npm run docs:api   writes docs/api/ by typedoc: the same with the docstrings
 *    --check            fails where these differ from dist/, with the lines that differ, and where a public signature names
 *                       a type of the package that its entry does not export
 *
 *  dist/ has to be fresh: `node tools/setup.mjs --dist`. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
    const program = ts.createProgram(paths, {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      lib: ['lib.es2023.d.ts'],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
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

  /** A digest of all that docs/api/ is made of: signatures and docstrings. */
  digest(): string {
    const hash = createHash('sha256')
    for (const entry of this.entries) {
      hash.update(this.text(entry))
      for (const [, symbol] of symbolsOf(entry.exports))
        for (const declaration of symbol.declarations ?? []) for (const doc of docstrings(declaration)) hash.update(doc)
    }
    return hash.digest('hex')
  }

  *#lines(exports: Map<string, Exported>): Generator<string> {
    for (const [name, exported] of exports)
      if (exported instanceof Map)
        yield `namespace ${name} {\n${[...this.#lines(exported)].join('\n').replaceAll(/^(?=.)/gm, '    ')}\n}`
      else for (const declaration of exported.declarations ?? []) yield signature(name, this.#shown(declaration))
  }

  /** A type that is computed from a table (`Options<typeof optionTables.train>`) as what comes out; any other declaration
   *  as it is. */
  #shown(node: ts.Declaration): ts.Declaration {
    const isAlias = ts.isTypeAliasDeclaration(node) && asksForTypeOf(node.type)
    const isInterface =
      ts.isInterfaceDeclaration(node) && (node.members.length === 0 || node.heritageClauses?.some(asksForTypeOf))
    if (!(isAlias || isInterface) || node.typeParameters) return node
    const checker = this.#checker
    const type = checker.getTypeAtLocation(node)
    const written = (part: ts.Type, more = 0) => checker.typeToTypeNode(part, node, asWritten | more)
    if (!(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)))
      return ts.factory.createTypeAliasDeclaration(
        undefined,
        node.name,
        undefined,
        written(type, ts.NodeBuilderFlags.InTypeAlias)!,
      )
    const members = checker
      .getPropertiesOfType(type)
      .sort((x, y) => (x.name < y.name ? -1 : 1))
      .map(property => {
        const mark = property.flags & ts.SymbolFlags.Optional ? ts.SyntaxKind.QuestionToken : undefined
        const of = checker.getTypeOfSymbolAtLocation(property, node)
        const { createPropertySignature, createToken } = ts.factory
        return createPropertySignature(undefined, property.name, mark && createToken(mark), written(of))
      })
    return ts.factory.createInterfaceDeclaration(undefined, node.name, undefined, undefined, members)
  }

  /** Types of the package that public signatures name and that neither their entry nor `anneal/torch` exports. */
  unexported(shared = 'anneal/torch'): string[] {
    const all = new Map<string, Set<string>>()
    const common = [...symbolsOf(this.entries.find(({ name }) => name === shared)?.exports)]
    for (const { name: entry, exports } of this.entries) {
      const open = new Set([...common, ...symbolsOf(exports)].map(([, symbol]) => symbol))
      for (const [name, symbol] of symbolsOf(exports))
        for (const declaration of symbol.declarations ?? [])
          for (const named of this.#named(this.#shown(declaration))) {
            const file = named.declarations?.[0]?.getSourceFile().fileName
            if (!file?.startsWith(this.#folder) || file.endsWith('globals.d.ts')) continue
            if (open.has(named) || named.flags & ts.SymbolFlags.TypeParameter) continue
            const what = `${entry}: ${named.name} (${relative(this.#folder, file).split(sep).join('/')})`
            all.set(what, (all.get(what) ?? new Set()).add(name))
          }
    }
    return Array.from(all, ([what, by]) => `${what}, named by ${[...by].join(', ')}`).sort()
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
    const symbol = name && (this.#checker.getSymbolAtLocation(name) ?? madeFor(name))
    if (symbol) yield this.#target(symbol)
    for (const child of childrenOf(node)) yield* this.#named(child)
  }
}

const asWritten = ts.NodeBuilderFlags.NoTruncation | ts.NodeBuilderFlags.UseAliasDefinedOutsideCurrentScope

const asksForTypeOf = (node: ts.Node): boolean => ts.isTypeQueryNode(node) || childrenOf(node).some(asksForTypeOf)

/** The symbol of a name that the compiler made of a type; it stands in no file. */
function madeFor(name: ts.Node): ts.Symbol | undefined {
  const last = ts.isQualifiedName(name) ? name.right : name
  return 'symbol' in last ? (last.symbol as ts.Symbol | undefined) : undefined
}

/** The docstrings of a declaration and of all in it. */
function* docstrings(node: ts.Node): Generator<string> {
  for (const doc of ts.getJSDocCommentsAndTags(node)) if (ts.isJSDoc(doc)) yield doc.getText()
  for (const child of childrenOf(node)) yield* docstrings(child)
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
  const file = ts.getNameOfDeclaration(declaration)!.getSourceFile()
  const write = (node: ts.Node) => printer.printNode(ts.EmitHint.Unspecified, node, file)
  // The compiler writes the members of a union in the order in which it met them, which any file can change.
  const ordered = (node: ts.Node): ts.Node => {
    const inner = ts.visitEachChild(node, ordered, undefined)
    if (!ts.isUnionTypeNode(inner)) return inner
    const types = inner.types.map(type => [write(type), type] as const).sort(([x], [y]) => (x < y ? -1 : 1))
    return ts.factory.createUnionTypeNode(types.map(([, type]) => type))
  }
  const print = (node: ts.Node) => write(ordered(node))
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
  new PublicApi(join(root, 'dist'), {
    anneal: 'index.d.ts',
    'anneal/torch': 'torch/index.d.ts',
    'anneal/export': 'export/index.d.ts',
    'anneal/serve': 'serve/index.d.ts',
  })

const pathOf = (name: string): string => `api/${name.split('/').at(-1)}.api.txt`
const index = 'docs/api/README.md'
const stamp = (api: PublicApi): string => `<!-- made from declarations with the SHA-256 ${api.digest()} -->`
const read = (path: string): string => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '')

/** What does not fit: lines that differ, types that are not exported, pages older than the docstrings. */
function problemsOf(api: PublicApi): string[] {
  const problems: string[] = []
  for (const entry of api.entries) {
    const [before, now] = [read(pathOf(entry.name)), api.text(entry)]
    if (before !== now)
      problems.push(
        `The public API differs from ${pathOf(entry.name)}. If you mean the change, run \`npm run api\` and commit the file.`,
        ...difference(before, now),
      )
  }
  const unexported = api.unexported()
  if (unexported.length)
    problems.push(
      'These types stand in public signatures and are not exported. Export them from src/index.ts or src/torch/index.ts:',
      ...unexported,
    )
  if (!read(index).includes(stamp(api)))
    problems.push(
      'docs/api/ is older than the signatures and docstrings. Run `npm run docs:api` and commit the folder.',
    )
  return problems
}

function writeDocs(api: PublicApi): void {
  rmSync(join(root, 'docs/api'), { recursive: true, force: true })
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  const { status } = spawnSync(process.execPath, [typedoc, '--skipErrorChecking'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  // typedoc has no name for an object that is taken apart where it is given.
  for (const name of readdirSync(join(root, 'docs/api'), { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.md')) {
      const path = join(root, 'docs/api', name)
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(?:__|\\_\\_)namedParameters/g, 'options'))
    }
  appendFileSync(join(root, index), `\n\n${stamp(api)}\n`)
}

function main([what]: string[]): void {
  const api = publicApi()
  if (what === '--docs') writeDocs(api)
  else if (what === '--check') {
    const problems = problemsOf(api)
    if (problems.length) console.error(problems.join('\n'))
    process.exitCode = problems.length ? 1 : 0
  } else {
    mkdirSync(join(root, 'api'), { recursive: true })
    for (const entry of api.entries) writeFileSync(join(root, pathOf(entry.name)), api.text(entry))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2))
