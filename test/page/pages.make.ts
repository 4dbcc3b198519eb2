import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type Card, cardKey, Graph } from '../../src/onnx/index.ts'
import { testCard } from '../helpers/served.ts'

/** The card of a model with maps of 2 x 2 places. */
export const heatCard = (more: Partial<Card> = {}): Card => testCard({ heat: { rows: 2, columns: 2 }, ...more })

/** A model that says which of red, green and blue a picture has most of, and where: the heat of a class is its colour in
 *  each quarter of the picture. Its probabilities are sharp. */
export function colourMaps(card: Card): Uint8Array {
  const g = new Graph()
  const image = g.input('image', 'uint8', ['N', 'H', 'W', 3])
  const x = g.add('Transpose', [g.add('Cast', [image], { to: 1 })], { perm: [0, 3, 1, 2] })
  const attributes = { mode: 'linear', coordinate_transformation_mode: 'half_pixel', antialias: 1, exclude_outside: 1 }
  const quarters = g.add('Resize', [x, undefined, undefined, g.ints('two', [2, 2])], { ...attributes, axes: [2, 3] })
  g.output(g.add('Mul', [quarters, g.floats('scale', [0.01], [1])], {}, 'heat'), 'float', ['N', 3, 2, 2])
  const sums = g.add('ReduceSum', ['heat', g.ints('axes', [2, 3])], { keepdims: 0 }, 'features')
  g.output(sums, 'float', ['N', 3])
  if (card.task === 'regression') g.output(g.add('Identity', [sums], {}, 'values'), 'float', ['N', 3])
  else if (card.task === 'multi') {
    const p = g.add('Sigmoid', [g.add('Sub', [sums, g.floats('half', [5], [1])])], {}, 'probabilities')
    g.output(p, 'float', ['N', 3])
    g.output(g.add('GreaterOrEqual', [p, g.floats('thresholds', card.thresholds!)], {}, 'decided'), 'bool', ['N', 3])
  } else {
    const p = g.add('Softmax', [sums], { axis: 1 }, 'probabilities')
    g.output(p, 'float', ['N', 3])
    const best = g.add('ArgMax', [p], { axis: -1, keepdims: 0 })
    g.output(g.add('Gather', [g.strings('names', card.classes), best], { axis: 0 }, 'label'), 'string', ['N'])
  }
  return g.encode({ producer: 'anneal', version: '1', metadata: { [cardKey]: JSON.stringify(card) } })
}

const types: Record<string, string> = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' }

/** Serves a folder as static servers do. */
export async function serveFolder(folder: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    const file = join(folder, pathname === '/' ? 'index.html' : pathname)
    if (!existsSync(file)) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': types[file.split('.').at(-1)!] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
