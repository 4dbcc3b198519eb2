/** Writing systems, and in which languages a word of a Latin text is frequent. */
const scripts = [
  'Latin',
  'Cyrillic',
  'Han',
  'Hiragana',
  'Katakana',
  'Hangul',
  'Arabic',
  'Hebrew',
  'Greek',
  'Devanagari',
  'Bengali',
  'Tamil',
  'Thai',
  'Georgian',
  'Armenian',
] as const
const patterns = scripts.map(script => [script, new RegExp(`\\p{Script=${script}}`, 'gu')] as const)

const frequent: Readonly<Record<string, readonly string[]>> = {
  English: 'the and is was of to in that it for with this you not are but have'.split(' '),
  German: 'der die und das ist nicht ich ein eine zu mit den von sich auch es auf war sehr'.split(' '),
  French: 'le les et des est une je pas que qui dans pour du sur avec ce très vous'.split(' '),
  Spanish: 'el los y es que en una no por con para del se las muy pero lo como'.split(' '),
  Italian: 'il di che è non per una sono con del gli della anche molto ma mi nel'.split(' '),
  Portuguese: 'o que não uma com para os do da em muito mas por se as foi na'.split(' '),
  Dutch: 'de het een en van ik is niet dat op te zijn met voor ook maar er aan'.split(' '),
  Polish: 'nie się jest na że do to jak ale za co tak od po dla są'.split(' '),
  Turkish: 'bir ve bu çok için de da ile ama gibi daha ne var olarak'.split(' '),
  Swedish: 'och att det som en är jag inte på med för av den till har var'.split(' '),
}

/** How many texts are looked at, and how much of each. */
const [looked, letters] = [300, 600]

/** The share of each language or script among texts, the largest first: `English`, `Cyrillic`. A text counts for its
 *  most frequent script; a Latin one for the language whose small words it has most of. */
export function languagesOf(texts: readonly string[]): { name: string; share: number }[] {
  const step = Math.max(1, Math.floor(texts.length / looked))
  const some = texts.filter((_, i) => i % step === 0)
  const counts = new Map<string, number>()
  for (const text of some) {
    const name = languageOf(text.slice(0, letters))
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Array.from(counts, ([name, count]) => ({ name, share: count / some.length })).sort((a, b) => b.share - a.share)
}

function languageOf(text: string): string {
  const [script] = patterns
    .map(([name, pattern]) => ({ name, count: text.match(pattern)?.length ?? 0 }))
    .sort((a, b) => b.count - a.count)
  if (!script || script.count === 0) return 'without letters'
  if (script.name === 'Hiragana' || script.name === 'Katakana') return 'Japanese'
  if (script.name === 'Han') return /\p{Script=Hiragana}/u.test(text) ? 'Japanese' : 'Chinese'
  if (script.name === 'Hangul') return 'Korean'
  if (script.name !== 'Latin') return script.name
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? []
  const [best] = Object.entries(frequent)
    .map(([name, list]) => ({ name, count: words.filter(word => list.includes(word)).length }))
    .sort((a, b) => b.count - a.count)
  return best && best.count > 0 ? best.name : 'Latin letters'
}
