import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { library } from '../../src/torch/index.ts'
import { native } from '../../src/torch/native.ts'
import { nodes, place, root, sourcesIn } from '../helpers/sources.ts'

/** Argument names of `space::name.overload(Type name=default, …) -> …`, by overload. */
function argumentsOf(schema: string): [overload: string, names: string[]] {
  const [, overload = '', body = ''] = /^(?:\w+::)?\w+(?:\.(\w+))?\((.*)\) -> /.exec(schema) ?? assert.fail(schema)
  const plain = body.replace(/"[^"]*"|\([^)]*\)|=\[[^\]]*\]/g, '')
  return [overload, plain.split(',').flatMap(part => / (\w+)(?:=.*)?$/.exec(part.trim())?.[1] ?? [])]
}

/** The overloads of an operator in this libtorch. */
const loaded = (name: string) => new Map(native.schemasOf(native.resolve(name)).map(argumentsOf))

/** Every operator call in src/ and examples/, with its options, by place. */
function* calls(): Generator<{ name: string; options: string[]; where: string }> {
  for (const source of [...sourcesIn('src'), ...sourcesIn('examples')]) {
    if (source.path.endsWith('.generated.ts')) continue
    for (const node of nodes(source.tree)) {
      if (!ts.isCallExpression(node)) continue
      const first = node.arguments[0]
      const direct = ts.isPropertyAccessExpression(node.expression) && node.expression.expression.getText() === 'aten'
      const byName = node.expression.getText() === 'call' && first && ts.isStringLiteral(first)
      if (!direct && !byName) continue
      const name = direct
        ? (node.expression as ts.PropertyAccessExpression).name.text
        : (first as ts.StringLiteral).text
      const last = node.arguments.at(-1)
      const options =
        last && ts.isObjectLiteralExpression(last)
          ? last.properties.flatMap(p => (p.name && ts.isIdentifier(p.name) ? [p.name.text] : []))
          : []
      yield { name, options, where: place(source, node) }
    }
  }
}

test('every operator that is called, with its options, is in this libtorch', t => {
  const wrong: string[] = []
  const names = new Set<string>()
  for (const { name, options, where } of calls()) {
    names.add(name)
    try {
      if (![...loaded(name).values()].some(known => options.every(o => known.includes(o))))
        wrong.push(`${where}: no overload of ${name} has ${options}`)
    } catch (error) {
      wrong.push(`${where}: ${(error as Error).message}`)
    }
  }
  t.diagnostic(`${names.size} operators, libtorch ${library().version}`)
  assert.ok(names.size > 50, `names.size > 50, got ${names.size}`)
  assert.deepEqual(wrong, [])
})

test('the generated signatures of the operators used have the argument names of this libtorch, in its order', () => {
  const text = readFileSync(join(root, 'src/torch/ops.generated.ts'), 'utf8')
  const generated = new Map<string, Map<string, string[]>>()
  for (const [, schema, name] of text.matchAll(/^ {2}\/\*\* `((\w+)[^`]*)` \*\/$/gm)) {
    const [overload, names] = argumentsOf(schema!)
    generated.set(name!, (generated.get(name!) ?? new Map()).set(overload, names))
  }
  let compared = 0
  const wrong: string[] = []
  for (const name of new Set([...calls()].map(c => c.name).filter(n => !/[.:]/.test(n)))) {
    const here = loaded(name)
    assert.ok(generated.has(name), `${name} is called, but has no generated signature`)
    for (const [overload, names] of generated.get(name)!) {
      const known = here.get(overload)
      if (!known) continue // an overload of another version: only the common overloads count
      compared++
      const common = Math.min(known.length, names.length) // a newer version adds arguments at the end
      if (String(known.slice(0, common)) !== String(names.slice(0, common)))
        wrong.push(`${name}.${overload}: (${names}), here (${known})`)
    }
  }
  assert.ok(compared > 80, `${compared}`)
  assert.deepEqual(wrong, [])
})
