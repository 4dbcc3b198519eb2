import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createHandler, type Handler, load } from '../../src/serve/index.ts'
import { colourModel, modelFolder, testCard } from '../helpers/served.ts'

const files = modelFolder()
const card = testCard({ name: 'a <b> & "c"', classes: ['<script>alert(1)</script>', 'b', 'c'] })
let handler: Handler
before(async () => {
  const model = await load(files.write('model.onnx', colourModel({ card })), { threads: 1 })
  handler = await createHandler(model, { token: 't' })
})
after(async () => {
  await handler.close()
  files.remove()
})

test('the page allows its own style and script alone, asks nobody else, and escapes names', async () => {
  const response = await handler(new Request('http://localhost/'))
  const text = await response.text()
  const policy = response.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'none'.*connect-src 'self'.*frame-ancestors 'none'/)
  for (const [tag, rule] of [
    ['style', 'style-src'],
    ['script', 'script-src'],
  ] as const) {
    const [, content] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text)!
    const digest = createHash('sha256').update(content!).digest('base64')
    assert.ok(policy.includes(`${rule} 'sha256-${digest}'`), `${rule} allows the page's ${tag}`)
  }
  assert.doesNotMatch(text, /https?:\/\//, 'no address of others')
  assert.match(text, /<h1>a &lt;b&gt; &amp; &quot;c&quot;<\/h1>/)
  assert.doesNotMatch(text, /<script>alert/)
  assert.match(text, /<label class="token">/)
})

test('every reference of the OpenAPI document leads somewhere, and every route is in it', async () => {
  const text = await (await handler(new Request('http://localhost/openapi.json'))).text()
  const document = JSON.parse(text) as { openapi: string; paths: object; components: { schemas: object } }
  assert.equal(document.openapi, '3.1.0')
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!)
  assert.ok(references.length > 5, `${references.length} references`)
  for (const name of references) assert.ok(name in document.components.schemas, name)
  for (const path of ['/predict', '/v2', '/v2/health/ready', '/v2/models/{model}/infer', '/metrics', '/admin/reload'])
    assert.ok(path in document.paths, path)
})

test('the server loads no libtorch', () => {
  const seen = new Set<string>()
  const visit = (url: URL) => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    const imports = /(?:^(?:import|export)\s+(?!type\b)(?:[^'"`;]*?\sfrom\s+)?|import\()'(\.[^']+)'/gm
    for (const [, name] of readFileSync(url, 'utf8').matchAll(imports)) visit(new URL(name!, url))
  }
  visit(new URL('../../src/cli/serve.ts', import.meta.url))
  const root = fileURLToPath(new URL('../../src/', import.meta.url))
  const rooms = new Set([...seen].map(href => fileURLToPath(href).slice(root.length).split('/')[0]!))
  assert.ok(rooms.has('serve') && seen.size > 15, [...rooms].join(', '))
  assert.deepEqual(
    [...rooms].filter(room => ['torch', 'vision', 'train', 'api', 'recipes'].includes(room)),
    [],
  )
})
