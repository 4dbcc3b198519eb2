import { isWav } from './wav.ts'

/** A format of recordings. */
export interface SoundFormat {
  name: string
  /** Endings of file names, with dots, in lower case. */
  endings: string
  sniff(head: Uint8Array): boolean
  /** Its name in the package audio-decode; without one, this package reads it itself. */
  decoder?: string
  /** The whole file must be in memory at once. */
  whole?: boolean
}

const text = (head: Uint8Array, from: number, to: number) => String.fromCharCode(...head.subarray(from, to))
const begins = (words: string) => (head: Uint8Array) => text(head, 0, words.length) === words
const ogg = (head: Uint8Array, codec: string) => begins('OggS')(head) && text(head, 28, 28 + codec.length) === codec
const films = /^(M4[ABVP]|mp4[12]|isom|iso[2-9]|avc1|dash|3g[p2]|qt {2}|MSNV|f4[av])/

/** A frame of MPEG audio: its layer, bit rate and rate are possible ones. Layer 0 is AAC (ADTS). */
function isMpegFrame(head: Uint8Array, layers: readonly number[]): boolean {
  const [a = 0, b = 0, c = 0] = head
  const layer = (b >> 1) & 3
  const version = (b >> 3) & 3
  if (a !== 0xff || (b & 0xe0) !== 0xe0 || version === 1 || !layers.includes(layer)) return false
  return layer === 0 ? ((c >> 2) & 15) < 13 : c >> 4 !== 15 && ((c >> 2) & 3) !== 3
}

// biome-ignore format: a table
/** The formats that are read. The first one whose `sniff` says yes is taken. */
export const formats: readonly SoundFormat[] = [
  { name: 'WAVE', endings: '.wav .wave .rf64 .bw64', sniff: isWav },
  { name: 'FLAC', endings: '.flac', sniff: begins('fLaC'), decoder: 'flac' },
  { name: 'Opus', endings: '.opus', sniff: head => ogg(head, 'OpusHead'), decoder: 'opus' },
  { name: 'Ogg Vorbis', endings: '.ogg .oga', sniff: head => ogg(head, '\x01vorbis') , decoder: 'oga' },
  { name: 'MP3', endings: '.mp3 .mpga .mp2', sniff: head => begins('ID3')(head) || isMpegFrame(head, [1, 2]), decoder: 'mp3' },
  { name: 'AAC', endings: '.aac', sniff: head => isMpegFrame(head, [0]), decoder: 'aac' },
  { name: 'MPEG-4', endings: '.m4a .m4b .mp4 .mov .3gp', sniff: head => text(head, 4, 8) === 'ftyp' && films.test(text(head, 8, 12)), decoder: 'm4a', whole: true },
  { name: 'AIFF', endings: '.aif .aiff .aifc', sniff: head => begins('FORM')(head) && /^AIF[FC]$/.test(text(head, 8, 12)), decoder: 'aiff', whole: true },
  { name: 'CAF', endings: '.caf', sniff: begins('caff'), decoder: 'caf', whole: true },
  { name: 'WebM', endings: '.webm .weba', sniff: begins('\x1a\x45\xdf\xa3'), decoder: 'webm' },
  { name: 'AMR', endings: '.amr', sniff: begins('#!AMR'), decoder: 'amr' },
  { name: 'Windows Media', endings: '.wma', sniff: begins('\x30\x26\xb2\x75'), decoder: 'wma', whole: true },
]

/** How many leading bytes `formatOf` needs. */
export const bytesNeeded = 64

/** The format of a recording from its first bytes, whatever its name is. */
export const formatOf = (head: Uint8Array): SoundFormat | undefined =>
  head.length < 3 ? undefined : formats.find(format => format.sniff(head))

/** What other files are, by their first bytes. */
const others: readonly [words: string, sniff: (head: Uint8Array) => boolean][] = [
  [
    'it is an Ogg file of a codec that is not read (FLAC or Speex in Ogg, or a film); convert it to WAVE or FLAC',
    begins('OggS'),
  ],
  ['it is a Sun .au file, which is not read; convert it to WAVE or FLAC', begins('.snd')],
  ['it is a MIDI file, which has notes and no sound', begins('MThd')],
  ['it is a RIFF file without sound (AVI or WebP)', begins('RIFF')],
  ['it is a picture', head => begins('\xff\xd8\xff')(head) || begins('\x89PNG')(head) || begins('GIF8')(head)],
  ['it is a zip archive; unpack it first', begins('PK\x03\x04')],
  ['it is a gzip archive; unpack it first', begins('\x1f\x8b')],
  [
    'it is a pointer of Git LFS and not the file itself; fetch the files (git lfs pull)',
    begins('version https://git-lfs'),
  ],
  ['it is a web page; the download failed', head => /^\s*<(!doctype|html)/i.test(text(head, 0, 32))],
]

/** What a file is that is no recording, in words. */
export function describeSound(head: Uint8Array): string {
  if (head.length === 0) return 'it is empty (0 bytes)'
  const known = others.find(([, sniff]) => sniff(head))?.[0]
  if (known) return known
  const printable = head.every(b => b === 9 || b === 10 || b === 13 || (b >= 32 && b !== 127))
  return printable ? 'it is a text file' : 'its first bytes are of no format of recordings that is read'
}
