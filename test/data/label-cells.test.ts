import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choicesOf, indexed, times } from '../helpers/labels.ts'

const garments = ['dress', 'long shirt', 'shirt', 'short shirt', 'skirt', 'short skirt']

test('names of several words that recombine may be classes or labels: it asks, and says how to choose', async t => {
  const grid = ['red', 'blue', 'green', 'grey'].flatMap(colour =>
    ['shirt', 'dress', 'hat', 'shoe'].map(garment => `${colour} ${garment}`),
  )
  const cases: [cells: string[], shown: string][] = [
    [garments, 'a space'],
    [garments.map(name => name.replace(' ', ', ')), '","'],
    [['dress', 'shirt; long', 'shirt', 'shirt; short', 'skirt', 'short skirt'], '";"'],
    [['animal|cat', 'animal|dog', 'plant|rose'], '"|"'],
    [['blood orange', 'orange juice', 'apple juice', 'apple', 'orange'], 'a space'],
    [['road bike', 'mountain bike', 'road', 'bike', 'mountain road'], 'a space'],
    [grid, 'a space'],
    [['cat;dog', 'cat', 'bird'], '";"'],
  ]
  for (const [cells, shown] of cases) {
    const message = await indexed(t, 'label', times(5, ...cells)).then(
      index => `${index.task} ${index.classes}`,
      error => (error as Error).message,
    )
    const [, name = ''] = /"([^"]+)" may be one class, or \d labels/.exec(message) ?? []
    assert.ok(cells.includes(name), `${cells}: ${message}`)
    assert.match(message, /^\S+labels\.tsv, line \d+, column "label": /)
    assert.ok(message.includes(`with ${shown} between them`), message)
    assert.match(message, /task: "single" takes each cell as one class, delimiter: "[ ,;|]" cuts cells into labels/)
  }
})

test('what is told is done', async t => {
  const single = await indexed(t, 'label', times(5, ...garments), { task: 'single' })
  assert.deepEqual([single.task, single.classes.length], ['single', 6])
  const cut = await indexed(t, 'label', times(5, ...garments), { delimiter: ' ' })
  assert.deepEqual([cut.task, cut.classes], ['multi', ['dress', 'long', 'shirt', 'short', 'skirt']])
})

test('one class a cell: names with blanks, commas, slashes, entities', async t => {
  const cases = [
    ['golden retriever', 'labrador retriever', 'great dane', 'pug'],
    ['tench, Tinca tinca', 'goldfish, Carassius auratus', 'crane'],
    ['salt &amp; pepper', 'black &amp; white', 'salt', 'pepper'],
    ['R&amp;D', 'caf&#233; noir', 'th&eacute;', 'caf&#xe9;'],
    ['Tomato/healthy', 'Tomato/blight', 'Potato/healthy', 'Tomato', 'healthy'],
    ['maple tree', 'oak tree', 'apple', 'orchid', 'sweet pepper'],
    ['t-shirt', 'shirt', 'v-neck', 'neck-tie'],
  ]
  for (const cells of cases) {
    const index = await indexed(t, 'label', times(4, ...cells))
    assert.deepEqual([index.task, new Set(index.classes)], ['single', new Set(cells)], `${cells}`)
  }
})

test('several labels where the table is plainly so: it says what that rests on, and how to say otherwise', async t => {
  const cases: [column: string, cells: string[], classes: number][] = [
    ['label', ['a;b', 'a', 'b', 'b;a'], 2],
    ['findings', ['Mass|Effusion', 'No Finding', 'Effusion', 'Mass', 'Effusion|Nodule', 'Nodule|Mass', 'Nodule'], 4],
    ['tags', ['haze primary', 'clear primary', 'primary', 'haze', 'clear', 'clear haze'], 3],
    ['label', ['x, y', 'y, z', 'z, x', 'x', 'y', 'z'], 3],
    ['Target', ['5 0', '16 0', '7 1 2 0', '25', '3'], 8],
  ]
  for (const [column, cells, classes] of cases) {
    const index = await indexed(t, column, times(3, ...cells))
    assert.deepEqual([index.task, index.classes.length], ['multi', classes], `${cells}`)
    assert.match(
      choicesOf(index, 'delimiter of labels').join(),
      /labels make up .*task: "single" takes each cell as one/,
    )
  }
})
