import { AnnealError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { json as jsonText } from '../base/json.ts'
import type { Precision } from '../train/network.ts'
import { listPictures } from '../vision/index.ts'
import { flat } from './style.ts'

/** `anneal predict`: a label and probabilities for each picture. */
export async function predict(
  run: string,
  paths: string[],
  { json = false, top, precision }: { json?: boolean; top: number; precision?: Precision },
): Promise<void> {
  if (!Number.isInteger(top) || top < 1) throw new AnnealError(`--top: expected a whole number from 1, got ${top}`)
  const { loadClassifier } = await import('../vision/inference/classifier.ts')
  const classifier = loadClassifier(run, precision ? { precision } : {})
  const { pictures, problems } = listPictures(paths, { bands: classifier.preprocessing.bands })
  const most = Math.min(top, classifier.classes.length)
  let failed = 0
  let done = 0
  const unusable = problems.filter(problem => problem.counted)
  const single = pictures.length === 1 && unusable.length === 0
  for await (const { file, label, probability, probabilities, labels, values, scores } of classifier.predictAll(
    pictures,
    {
      onError: (_, error) => {
        if (single) throw error
        failed++
        process.stderr.write(`anneal: ${flat(error.message)}\n`)
      },
    },
  )) {
    done++
    const { classes, precision: type } = classifier
    if (json) {
      const ordered = new Map(classes.map((name, i) => [name, scores[i]!])) // in the order of the classes
      const told = values && new Map(classes.map(name => [name, values[name]!]))
      const line = told ? { values: told } : { label, labels, probability, probabilities: ordered }
      process.stdout.write(`${jsonText({ file, ...line, precision: type })}\n`)
    } else if (values)
      process.stdout.write(
        `${flat(file)}  ${classes.map(name => `${flat(name)} ${classifier.text(values[name]!, name)}`).join(', ')}\n`,
      )
    else if (labels && most === 1)
      process.stdout.write(
        `${flat(file)}  ${labels.map(name => `${flat(name)} ${percent(probabilities[name]!)}`).join(', ') || 'no label'}\n`,
      )
    else if (most === 1) process.stdout.write(`${flat(file)}  ${flat(label)}  ${percent(probability)}\n`)
    else {
      const ranked = classes
        .map((name, i): [string, number] => [name, scores[i]!])
        .sort((a, b) => b[1] - a[1])
        .slice(0, most)
      process.stdout.write(`${flat(file)}  ${ranked.map(([name, p]) => `${flat(name)} ${percent(p)}`).join(', ')}\n`)
    }
  }
  for (const problem of unusable) process.stderr.write(`anneal: ${flat(`${problem.file}: ${problem.reason}`)}\n`)
  const others = problems.filter(problem => !problem.counted)
  if (others.length > 0) {
    const [first] = others
    const more = others.length > 1 ? ` and ${others.length - 1} more` : ''
    process.stderr.write(`anneal: passed over ${flat(`${first!.file}${more}: ${first!.reason}`)}\n`)
  }
  failed += unusable.length
  if (failed > 0) throw new AnnealError(`${plural(failed, 'picture')} of ${failed + done} could not be read`)
}
