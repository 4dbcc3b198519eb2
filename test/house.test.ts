import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { nodes, place, root, type Source, sourcesIn } from './helpers/sources.ts'

interface Room {
  rank: number
  /** What else it may import, in the table's words. */
  packages: string
}

/** The table of docs/house.md: | rank | `src/room/` | what lives here | may import | */
function readRooms(): Map<string, Room> {
  const rooms = new Map<string, Room>()
  for (const line of readFileSync(join(root, 'docs/house.md'), 'utf8').split('\n')) {
    const row = /^\| (\d+) \| `([^`]+)\/` \|.*\|\s*([^|]*?)\s*\|$/.exec(line)
    if (row) rooms.set(row[2]!, { rank: Number(row[1]), packages: row[3]!.toLowerCase() })
  }
  return rooms
}

const rooms = readRooms()
const sources = sourcesIn('src')
const roomOf = (path: string): string | undefined => [...rooms.keys()].find(room => path.startsWith(`${room}/`))

const importsOf = ({ tree }: Source): string[] =>
  ts.preProcessFile(tree.text, true, true).importedFiles.map(file => file.fileName)

/** The file and the import that breaks a rule. */
const found = (wrong: (node: ts.Node) => boolean, allowed: (path: string) => boolean): string[] =>
  sources
    .filter(({ path }) => !allowed(path) && !path.endsWith('.generated.ts'))
    .flatMap(source => [...nodes(source.tree)].filter(wrong).map(node => place(source, node)))

test('the table of rooms was read, and every file below src/ is in one of them', () => {
  assert.ok(rooms.size >= 10, `${[...rooms.keys()]}`)
  for (const room of rooms.keys()) assert.ok(existsSync(join(root, room)), room)
  assert.ok(sources.length > 50, `sources.length > 50, got ${sources.length}`)
  const homeless = sources.map(s => s.path).filter(path => path !== 'src/index.ts' && !roomOf(path))
  assert.deepEqual(homeless, [])
})

test('a room imports rooms of a lower rank only', () => {
  const wrong: string[] = []
  let read = 0
  for (const source of sources) {
    const room = roomOf(source.path)
    for (const name of importsOf(source).filter(name => name.startsWith('.'))) {
      const target = join(source.path, '..', name)
      assert.ok(target.startsWith('src/'), `${source.path} imports ${name}`)
      const other = roomOf(target)
      read++
      if (room === other || !room) continue // src/index.ts shows all rooms
      if (!other || rooms.get(other)!.rank >= rooms.get(room)!.rank) wrong.push(`${source.path} imports ${target}`)
    }
  }
  assert.ok(read > 200, `${read} imports`)
  assert.deepEqual(wrong, [])
})

/** The circles in a graph (strongly connected components of more than one name, by Tarjan's algorithm), in the order found. */
function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const all: string[][] = []
  const visit = (name: string): number => {
    const place = order.size
    order.set(name, place)
    open.push(name)
    let low = place
    for (const next of edges.get(name) ?? [])
      if (!order.has(next)) low = Math.min(low, visit(next))
      else if (open.includes(next)) low = Math.min(low, lowest.get(next) ?? order.get(next)!)
    lowest.set(name, low)
    if (low === place) {
      const group = open.splice(open.indexOf(name))
      if (group.length > 1 || edges.get(name)?.includes(name)) all.push(group)
    }
    return low
  }
  for (const name of edges.keys()) if (!order.has(name)) visit(name)
  return all
}

test('no file of src/ imports itself by way of others, types included', () => {
  const made = new Map([
    ['a', ['b', 'e']],
    ['b', ['c']],
    ['c', ['b', 'd']],
    ['d', []],
    ['e', ['f']],
    ['f', ['g', 'd']],
    ['g', ['e', 'a']],
    ['h', ['h', 'a']],
  ])
  assert.deepEqual(
    circles(made).map(group => group.sort().join(' ')),
    ['b c', 'a e f g', 'h'],
  )
  const edges = new Map(
    sources.map(source => [
      source.path,
      importsOf(source)
        .filter(name => name.startsWith('.'))
        .map(name => join(source.path, '..', name)),
    ]),
  )
  assert.deepEqual(circles(edges), [])
})

test('a room uses the packages that the table gives it; what Node brings goes by node:', () => {
  const wrong: string[] = []
  for (const source of sources) {
    const room = roomOf(source.path)
    for (const name of importsOf(source).filter(name => !name.startsWith('.'))) {
      if (name.startsWith('node:')) continue
      const known = name.split('/').at(name.startsWith('@') ? 1 : 0)!
      if (builtinModules.includes(known) || !room || !rooms.get(room)!.packages.split(/[ ,]+/).includes(known))
        wrong.push(`${source.path} imports ${name}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('only the command prints to the console', () => {
  const prints = (node: ts.Node) =>
    ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'console'
  assert.deepEqual(
    found(prints, path => path.startsWith('src/cli/')),
    [],
  )
})

test('`any` is only where operators without a static type pass', () => {
  const open = ['src/torch/native.ts', 'src/torch/call.ts']
  assert.deepEqual(
    found(
      node => node.kind === ts.SyntaxKind.AnyKeyword,
      path => open.includes(path),
    ),
    [],
  )
})

// Without a message node reads the test's source to make one, which under tsx can take minutes.
test('every assertion that something holds has a message', () => {
  const bare = (node: ts.Node) =>
    ts.isCallExpression(node) && /^assert(\.ok)?$/.test(node.expression.getText()) && node.arguments.length === 1
  const places = sourcesIn('test').flatMap(source =>
    [...nodes(source.tree)].filter(bare).map(node => place(source, node)),
  )
  assert.deepEqual(places, [])
})

test('nothing is exported as default', () => {
  const isDefault = (node: ts.Node) =>
    ts.isExportAssignment(node) || (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent))
  assert.deepEqual(
    found(isDefault, () => false),
    [],
  )
})

test('every function, class and value that is exported has its docstring', () => {
  const bare = (node: ts.Node): boolean => {
    if (!(ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node) || ts.isVariableStatement(node))) return false
    const exported = node.modifiers?.some(m => m.kind === ts.SyntaxKind.ExportKeyword)
    return Boolean(exported) && ts.getJSDocCommentsAndTags(node).length === 0
  }
  assert.deepEqual(
    found(bare, () => false),
    [],
  )
})
