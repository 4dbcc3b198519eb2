import { OptionError } from '../base/errors.ts'
import { bytes, plural } from '../base/format.ts'
import type { Options } from '../base/option-table.ts'
import type { LabelOptions } from '../data/index.ts'
import { checkShards, writeShards } from '../data/shards/write.ts'
import { commandFlags } from './options.ts'
import { workWithoutOutput } from './output.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

const units = { kb: 1e3, mb: 1e6, gb: 1e9 } as const

/** `256MB` → 256,000,000. */
function bytesOf(text: string): number {
  const [, number, unit] = /^([\d.]+)\s*([kmg]b)$/i.exec(text) ?? []
  return Math.round(Number(number) * units[unit!.toLowerCase() as keyof typeof units])
}

/** `anneal shard`: labelled pictures as tars, or the check of such tars. */
export async function shard(
  folder: string,
  labels: LabelOptions,
  {
    out,
    size = commandFlags.shard.size.usual,
    orderSeed: seed = commandFlags.shard.orderSeed.usual,
    check,
  }: Options<typeof commandFlags.shard>,
): Promise<void> {
  workWithoutOutput()
  const reporter = createReporter()
  if (check) {
    const told = await checkShards(folder, (done, total) => reporter.progress({ label: 'shards', done, total }))
    reporter.close()
    process.stdout.write(`${flat(folder)}: ${told}\n`)
    return
  }
  if (out === undefined)
    throw new OptionError(
      `shard: --out is missing; expected a folder for the tars. Example: npx anneal shard ${flat(folder)} --out shards`,
      { exitCode: 2 },
    )
  const signal = untilStopped(`nothing was written to ${out}`)
  const [{ indexPictures }, { endingOf }] = await Promise.all([
    import('../vision/dataset.ts'),
    import('../vision/decode/formats.ts'),
  ])
  const index = await indexPictures(folder, labels)
  const byRow = ['labels', 'labelRegex'].some(name => Object.hasOwn(labels, name))
  const { manifest, unread } = await writeShards(index, {
    out,
    size: bytesOf(size),
    seed,
    order: byRow ? 'file' : 'class',
    endingOf,
    signal,
    onProgress: (done, total) => reporter.progress({ label: 'pictures', done, total }),
  })
  reporter.close()
  const total = manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { file, reason } of unread.slice(0, 10)) process.stderr.write(`left out: ${flat(file)}: ${reason}\n`)
  if (unread.length > 10) process.stderr.write(`left out: ${plural(unread.length - 10, 'more file')}\n`)
  process.stdout.write(
    `${plural(manifest.samples, 'picture')} in ${plural(manifest.shards.length, 'tar')}, ${bytes(total)}: ${flat(out)}\ntrain  npx anneal train ${flat(out)}\n`,
  )
}
