/** Letters between which a joiner (U+200C, U+200D) changes the visible text: Arabic, Indic scripts, emoji. */
const joined =
  '[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mong}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f]'
const looseJoiner = new RegExp(`(?<!${joined})[\\u200c\\u200d]|[\\u200c\\u200d](?!${joined})`, 'gu')
const invisible = /[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g
const plain = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/

/** Normalizes a label for comparison and storage: composes accents (Unicode NFC), removes invisible characters,
 *  replaces each run of blanks (also non-breaking ones and tabs) by one space, and trims. Line ends, case and all
 *  visible characters stay. */
export function tidy(text: string): string {
  if (plain.test(text)) return text
  const seen = text.normalize('NFC').replace(invisible, '').replace(looseJoiner, '')
  return seen
    .replace(/[^\S\n]*\n[^\S\n]*/g, '\n')
    .replace(/[^\S\n]+/g, ' ')
    .trim()
}
