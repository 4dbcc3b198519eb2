import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as web from 'onnxruntime-web/wasm'
import { load as loadOnEdge } from '../../src/runtime/edge.ts'
import { load, type Ort } from '../../src/runtime/node.ts'
import { createHandler } from '../../src/serve/index.ts'
import { colourModel } from '../helpers/served.ts'

/** How files begin that training reads, or that people have, and the runtimes do not read. */
const files: Record<string, string> = {
  BMP: 'BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0',
  HEIC: '\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf',
  Netpbm: 'P6 2 2 255\nabcdefghijkl',
  NPY: "\x93NUMPY\x01\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 3), }",
  SVG: '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'JPEG XL': '\0\0\0\x0cJXL \r\n\x87\n',
  'JPEG 2000': '\0\0\0\x0cjP  \r\n\x87\n',
  PDF: '%PDF-1.7\n',
}

test('files that are not read are named, in the same words in Node, on the edge and by the server', async () => {
  const bytes = colourModel()
  await using node = await load(bytes, { kind: 'picture', threads: 1 })
  await using edge = await loadOnEdge(bytes, { ort: web as unknown as Ort, kind: 'picture' })
  const handler = await createHandler(await load(bytes, { kind: 'picture', threads: 1 }))
  for (const [name, text] of Object.entries(files)) {
    const file = Uint8Array.from(Buffer.from(text, 'latin1'))
    const said = `a file of ${name}; JPEG, PNG, GIF, WebP, AVIF, TIFF are read. Convert it`
    for (const model of [node, edge])
      await assert.rejects(model.predict(file), (error: Error) => {
        assert.ok(error.message.includes(`it is ${said}`), error.message)
        return true
      })
    const response = await handler(
      new Request('http://localhost/predict', {
        method: 'POST',
        body: file,
        headers: { host: 'localhost', 'content-type': 'application/octet-stream' },
      }),
    )
    const { error } = (await response.json()) as { error: string }
    assert.equal(response.status, 415, error)
    assert.ok(error.includes(`the body is ${said}`), error)
  }
  await handler.close()
})
