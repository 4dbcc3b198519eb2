import { plural } from './format.ts'

/** The name of one sample and of several in messages: picture, pictures. */
export interface SampleNoun {
  one: string
  many: string
}

let noun: SampleNoun = { one: 'picture', many: 'pictures' }

/** What a sample is called in messages of code that is the same for all kinds of data. A run, an evaluation and a report
 *  say it when they begin; a picture, unless they do. */
export const samples = {
  get one(): string {
    return noun.one
  },
  get many(): string {
    return noun.many
  },
  /** `1 picture`, `2,000 pictures`. */
  count: (n: number): string => plural(n, noun.one, noun.many),
  /** From now on samples are called so; returns what they were called. */
  call({ one, many }: SampleNoun): SampleNoun {
    const before = noun
    noun = { one, many }
    return before
  },
}
