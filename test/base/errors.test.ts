// Errors have stable codes: a program compares them, and not the words of a message.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AnnealError, learner, loadClassifier, resumeRun, trainFolder } from '../../src/index.ts'
import { aten, tensor } from '../../src/torch/index.ts'
import { readWeights } from '../../src/weights/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-errors-'))
after(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'bad.safetensors'), 'no weights')
writeFileSync(join(folder, 'note.txt'), 'no picture')

const cases: [code: string, what: () => unknown][] = [
  ['ERR_OPTION', () => trainFolder(folder, { epoch: 3 } as object)],
  ['ERR_OPTION', () => trainFolder(folder, { size: 7 })],
  ['ERR_OPTION', () => learner(folder, 'auto', { loss: 'best' } as object)],
  ['ERR_DATA', () => trainFolder(folder)],
  ['ERR_RUN', () => trainFolder(join(folder, 'nothing'))],
  ['ERR_RUN', () => resumeRun(folder)],
  ['ERR_MODEL', () => loadClassifier(join(folder, 'no-run'))],
  ['ERR_WEIGHTS', () => readWeights(join(folder, 'bad.safetensors'))],
  ['ERR_TENSOR', () => aten.mm(tensor([[1, 2]]), tensor([[1, 2]]))],
]
for (const [code, what] of cases)
  test(`${code}: ${what}`, async () => {
    await assert.rejects(
      async () => what(),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, code, error.message)
        if (code !== 'ERR_TENSOR') assert.ok(error instanceof AnnealError, error.name)
        return true
      },
    )
  })
