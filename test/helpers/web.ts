import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { writeAtomic } from '../../src/base/files.ts'
import { type Interpretation, type RunTask, readObject, runPaths } from '../../src/runs/index.ts'
import { makeRun } from './report.ts'

/** A run with six pictures to review: two label issues, a pair in two parts, two losses. One name is in both lists. */
export async function makeReview(folder: string, { task = 'single' as RunTask, name = 'run' } = {}) {
  const [dir, data] = [join(folder, name), join(folder, 'photos')]
  const files = [
    'train/hat/a.jpg',
    'train/hat/b "<i>.jpg',
    'train/shirt/c.jpg',
    'valid/shirt/d.jpg',
    'valid/hat/gone.jpg',
  ]
  const small: string[] = []
  for (const [i, file] of files.entries()) {
    const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: { r: 40 * i, g: 120, b: 90 } } })
    const jpeg = await picture.jpeg().toBuffer()
    small.push(jpeg.toString('base64'))
    mkdirSync(join(data, file, '..'), { recursive: true })
    if (!file.includes('gone')) writeFileSync(join(data, file), jpeg)
  }
  writeFileSync(join(folder, 'secret.jpg'), Buffer.from(small[0]!, 'base64'))
  makeRun(dir, { data, classes: task === 'regression' ? ['price'] : ['hat', 'shirt', 't-shirt'] })
  const paths = runPaths(dir)
  const interpret = readObject<Interpretation>(paths.interpret)!
  const judged = (i: number, actual: string, predicted: string) => ({
    file: files[i]!,
    thumbnail: small[i]!,
    actual,
    predicted,
    loss: 5 - i,
    probability: 0.9,
  })
  const multi = task === 'multi'
  const issue = (i: number, given: string, suggested: string, score: number) => ({
    ...{ file: files[i]!, given: multi ? `not ${suggested}` : given, suggested, score, thumbnail: small[i]! },
    ...(multi ? { labels: [given] } : {}),
  })
  const top = [
    judged(1, 'hat', 't-shirt'),
    judged(4, 'hat', 'shirt'),
    { ...judged(0, 'x', 'y'), file: '../secret.jpg' },
  ]
  writeAtomic(
    paths.interpret,
    JSON.stringify({
      ...interpret,
      task,
      labelIssues: task === 'regression' ? [] : [issue(0, 'hat', 'shirt', 0.002), issue(1, 'hat', 't-shirt', 0.04)],
      nearDuplicates: [
        {
          similarity: 0.987,
          pictures: [2, 3].map(i => ({
            ...{ file: files[i]!, label: task === 'regression' ? '4' : 'shirt', thumbnail: small[i]! },
            part: files[i]!.split('/')[0]!,
          })),
        },
      ],
      topLosses: task === 'single' ? top : [],
      ...(multi
        ? { multi: { topLosses: top.map(p => ({ ...p, actual: [p.actual], predicted: [p.predicted] })) } }
        : {}),
      ...(task === 'regression'
        ? {
            regression: {
              targets: [],
              worst: [{ ...top[0], values: [{ name: 'price', actual: 3, predicted: 9.25 }] }],
            },
          }
        : {}),
    }),
  )
  return { dir, data, files, clean: join(dir, 'clean.jsonl') }
}
