import { RunError } from './errors.ts'
import { type Examples, type Featured, Taught, unit } from './teach.ts'
import type { Prediction } from './types.ts'

/** The mean direction of feature vectors; 5 digits, which is nearer than pictures of a class are to each other. */
function meanOfClass(each: readonly Float32Array[]): number[] {
  const sum = new Array<number>(each[0]!.length).fill(0)
  for (const features of each) for (const [i, x] of unit(features).entries()) sum[i]! += x
  return unit(sum).map(x => Number(x.toFixed(5)))
}

/** Learns classes from pictures of each. predict: gives a picture's features; errors call it by the name. */
export async function learn<Input>(
  model: Featured<Input>,
  examples: Examples<Input>,
  predict: (input: Input, name: string) => Promise<Prediction>,
): Promise<Taught<Input>> {
  if (!model.card.features)
    throw new RunError('use', 'this model has no output "features", which new classes are made of; export one net.')
  const classes = Object.entries(examples)
  if (classes.length < 2 || classes.some(([, inputs]) => inputs.length === 0))
    throw new RunError(
      'use',
      `teach: got ${classes.map(([label, { length }]) => `${label}: ${length}`).join(', ') || 'no classes'}; expected two classes or more, each with one picture or more.`,
    )
  const means: number[][] = []
  for (const [label, inputs] of classes) {
    const each: Float32Array[] = []
    for (const [i, input] of inputs.entries())
      each.push((await predict(input, `picture ${i + 1} of "${label}"`)).features!)
    means.push(meanOfClass(each))
  }
  return new Taught(model, { labels: classes.map(([label]) => label), means })
}
