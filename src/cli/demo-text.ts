import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../base/archive.ts'
import { cacheFolder } from '../base/files.ts'
import { npmPack } from '../base/packages.ts'
import { type Report, streamReport } from '../base/progress.ts'
import { untar } from '../base/tar.ts'
import { type DemoOptions, introduce, withFewEpochs } from './demo-kinds.ts'
import { drive } from './train.ts'

/** 3,000 sentences from reviews, half of them good, half of them bad (Kotzias et al. 2015, Sentiment Labelled Sentences):
 *  the test data of the package. */
const reviews = {
  package: 'sentiment',
  version: '5.0.2',
  integrity: 'sha512-ZeC3y0JsOYTdwujt5uOd7ILJNilbgFzUtg/LEG4wUv43LayFNLZ28ec8+Su+h3saHlJmIwYxBzfDHHZuiMA15g==',
  bytes: 141_649,
  what: 'sentences from reviews',
  licence: 'MIT',
}

/** Where the sentences are from, and what they are about. */
const sites = { imdb: 'films', yelp: 'restaurants', amazon: 'phones' }

/** Fewer epochs than usual, so that the demo takes a few minutes. */
const demoEpochs = 1

/** Trains on the sentences, as on any table with a column of texts. */
export async function demoText(options: DemoOptions, flags: { json?: boolean | undefined }): Promise<void> {
  const file = await sentences(streamReport(process.stderr))
  introduce(
    `The texts: ${file}\nThe question: is a sentence from a review of a film, a restaurant or a phone good or bad? Half of them are good.\n`,
    flags,
  )
  const chosen = { ...withFewEpochs(options, demoEpochs), text: 'sentence', target: ['verdict'] }
  await drive(flags, (hooks, { trainFolder }) => trainFolder(file, chosen, hooks))
}

/** The sentences as a table, in the cache; fetched where they are not there. */
export async function sentences(report: Report): Promise<string> {
  const folder = cacheFolder('demo', 'sentences-5.0.2')
  const file = join(folder, 'sentences.csv')
  if (existsSync(file)) return file
  const archive = await npmPack(reviews, report)
  await makeFolder(folder, async temp => {
    await untar(archive, temp, name => /^package\/test\/fixtures\/((?:imdb|yelp|amazon)\.json)$/.exec(name)?.[1])
    const rows = Object.entries(sites).flatMap(([site, about]) => {
      const path = join(temp, `${site}.json`)
      const found = JSON.parse(readFileSync(path, 'utf8')) as { text: string; class: number | null }[]
      rmSync(path)
      // The last row of each file is empty.
      return found.flatMap(({ text, class: good }) =>
        good === null ? [] : [`"${text.trim().replaceAll('"', '""')}",${good ? 'good' : 'bad'},${about}\n`],
      )
    })
    writeFileSync(join(temp, 'sentences.csv'), `sentence,verdict,about\n${rows.join('')}`)
  })
  return file
}
