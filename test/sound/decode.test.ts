import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { describeSound, formatOf } from '../../src/runtime/sound/formats.ts'
import { bytesReader } from '../../src/runtime/sound/mono.ts'
import { openSound } from '../../src/runtime/sound/open.ts'
import { joined, resample, resampler } from '../../src/runtime/sound/resample.ts'
import { readSound } from '../../src/sound/decode/decode.ts'
import { soundFiles } from '../../src/sound/decode/formats.ts'
import { rising, wav } from './sound.make.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/sounds.json', import.meta.url), 'utf8')) as {
  resample: { from: number; to: number; samples: number; out: Some }[]
  aLaw: number[]
  muLaw: number[]
  files: Record<string, string>
}
interface Some {
  shape: number[]
  at: number[]
  values: number[]
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let most = 0
  for (let i = 0; i < Math.max(a.length, b.length); i++) most = Math.max(most, Math.abs((a[i] ?? 9) - (b[i] ?? 9)))
  return most
}

test('WAVE files of every depth give the same sound, within half a step of their depth', async () => {
  const x = rising(3000, 16_000)
  const exact = Float32Array.from(x, v => Math.round(v * 128) / 128) // representable in every format
  for (const [bits, tag] of [
    [8, 1],
    [16, 1],
    [24, 1],
    [32, 1],
    [32, 3],
    [64, 3],
  ] as const) {
    for (const extensible of [false, true]) {
      const { samples, rate, encoding } = await readSound(wav([exact], { bits, tag, extensible }))
      assert.equal(largest(samples, exact), 0, `${encoding}, extensible ${extensible}`)
      assert.equal(rate, 16_000, 'the rate of the file')
    }
    const { samples } = await readSound(wav([x], { bits, tag }))
    const step = tag === 3 ? 1e-7 : 0.51 / 2 ** (Math.min(bits, 24) - 1)
    assert.ok(largest(samples, x) <= step, `${bits} bits of format ${tag}: off by ${largest(samples, x)}`)
  }
})

test('A-law and µ-law are decoded as G.711 says, all 256 codes', async () => {
  const codes = Uint8Array.from({ length: 256 }, (_, i) => i)
  assert.deepEqual([...(await readSound(wav([codes], { bits: 8, tag: 6 }))).samples], golden.aLaw)
  assert.deepEqual([...(await readSound(wav([codes], { bits: 8, tag: 7 }))).samples], golden.muLaw)
})

test('channels become one: their mean', async () => {
  const [left, right, third] = [rising(900, 8000), rising(900, 16_000), rising(900, 44_100)]
  const mean = left.map((v, i) => (v + right[i]! + third[i]!) / 3)
  const { samples, channels } = await readSound(wav([left, right, third], { bits: 32, tag: 3 }))
  assert.equal(channels, 3, 'channels of the file')
  assert.ok(largest(samples, mean) < 1e-6, `off by ${largest(samples, mean)}`)
})

test('unknown chunks, an unknown length and RF64 are read', async () => {
  const x = rising(500, 16_000)
  const list = new Uint8Array([...'LIST'].map(c => c.charCodeAt(0)).concat([3, 0, 0, 0, 1, 2, 3, 0]))
  const ds64 = new Uint8Array(36)
  ds64.set([...'ds64'].map(c => c.charCodeAt(0)))
  new DataView(ds64.buffer).setUint32(4, 28, true)
  new DataView(ds64.buffer).setBigUint64(16, 1000n, true)
  for (const options of [
    { before: list },
    { size: 0xffff_ffff },
    { size: 0x7fff_f024 },
    { id: 'RF64', before: ds64, size: 0xffff_ffff },
  ] as const) {
    const { samples } = await readSound(wav([x], options))
    assert.equal(samples.length, 500, JSON.stringify(options).slice(0, 60))
  }
})

test('resampling agrees with the formula of torchaudio, for any two rates', () => {
  for (const { from, to, samples, out } of golden.resample) {
    const got = resample(rising(samples, from), from, to)
    assert.equal(got.length, out.shape[0], `length ${from} → ${to}`)
    const off = Math.max(...out.at.map((at, i) => Math.abs(got[at]! - out.values[i]!)))
    assert.ok(off < 2e-7, `${from} → ${to}: off by ${off}`)
  }
})

test('a tone keeps its frequency and loudness; one above the new half rate is gone', () => {
  const tone = (hz: number, rate: number, n: number) =>
    Float32Array.from({ length: n }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate))
  for (const [from, to] of [
    [44_100, 16_000],
    [8000, 16_000],
    [48_000, 32_000],
    [22_050, 16_000],
  ] as const) {
    const [got, want] = [resample(tone(1000, from, from), from, to), tone(1000, to, to)]
    const middle = (a: Float32Array) => a.subarray(to / 4, (3 * to) / 4)
    assert.ok(largest(middle(got), middle(want)) < 1e-4, `${from} → ${to}: ${largest(middle(got), middle(want))}`)
  }
  const gone = resample(tone(9000, 44_100, 44_100), 44_100, 16_000).subarray(4000, 12_000)
  assert.ok(Math.max(...gone) < 1e-3, `9 kHz at 16 kHz: ${Math.max(...gone)}`)
})

test('pieces of any length are resampled to the same samples as the whole', () => {
  const x = rising(20_000, 44_100)
  for (const [from, to] of [
    [44_100, 16_000],
    [8000, 48_000],
    [16_000, 16_000],
    [96_000, 8000],
  ] as const) {
    const whole = resample(x, from, to)
    for (const size of [1, 7, 160, 4096]) {
      const by = resampler(from, to)
      const pieces: Float32Array[] = []
      for (let at = 0; at < (size === 1 ? 3000 : x.length); at += size)
        pieces.push(by.push(x.slice(at, at + size)).slice())
      if (size > 1) pieces.push(by.end())
      const got = joined(pieces)
      assert.equal(largest(got, whole.subarray(0, got.length)), 0, `${from} → ${to} in pieces of ${size}`)
      if (size > 1) assert.equal(got.length, whole.length, `length in pieces of ${size}`)
    }
  }
})

test('FLAC, MP3, Ogg Vorbis, Opus and AIFF are read by their content', async () => {
  const tone = rising(4000, 22_050)
  const mean = tone.map(v => 0.75 * v)
  for (const [name, text] of Object.entries(golden.files)) {
    const bytes = new Uint8Array(Buffer.from(text, 'base64'))
    const { samples, rate, channels } = await readSound(bytes)
    assert.equal(channels, 2, `${name}: channels`)
    assert.equal(rate, name === 'opus' ? 48_000 : 22_050, `${name}: rate`)
    if (name === 'flac' || name === 'aiff') {
      assert.equal(samples.length, 4000, `${name}: length`)
      assert.ok(largest(samples, mean) < 4e-5, `${name}: off by ${largest(samples, mean)}`)
    } else assert.ok(samples.length > 3500 && Math.max(...samples) > 0.15, `${name}: ${samples.length} samples`)
  }
})

const refused = (bytes: Uint8Array, expected: RegExp, what: string) =>
  assert.rejects(readSound(bytes, { name: 'dog/a.wav' }), (error: Error) => {
    assert.match(error.message, /^dog\/a\.wav: /, what)
    assert.match(error.message, expected, what)
    return true
  })

test('damaged and empty recordings are refused with their name and the reason', async () => {
  const x = rising(4000, 16_000)
  const whole = wav([x])
  await refused(new Uint8Array(0), /it is empty \(0 bytes\)/, 'no bytes')
  await refused(wav([[]]), /no samples/, 'no samples')
  await refused(whole.slice(0, 3000), /cut off: its header announces 0\.25 s and 0\.09 s are there/, 'cut')
  await refused(whole.slice(0, 40), /no "data" chunk/, 'header alone')
  await refused(whole.slice(0, 30), /"fmt " chunk/, 'half a header')
  await refused(wav([x], { tag: 17, bits: 8 }), /IMA ADPCM .*ffmpeg/, 'packed')
  await refused(wav([x], { bits: 8, tag: 3 }), /format 3 with 8 bits/, 'small floats')
  await refused(wav([x.map(v => v * 32768)], { bits: 32, tag: 3 }), /values reach .*expected -1 to 1/, 'not scaled')
  await refused(wav([x], { rate: 3 }), /1 channels at 3 Hz/, 'rate')
  await refused(Buffer.from('file,label\na.wav,dog\n'), /it is a text file/, 'text')
  await refused(Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1'), /it is a picture/, 'picture')
  await refused(Buffer.from('PK\x03\x04aaaaaaaa', 'latin1'), /zip archive/, 'zip')
  const flac = new Uint8Array(Buffer.from(golden.files.flac!, 'base64'))
  await refused(flac.slice(0, flac.length >> 1), /damaged|cut off/, 'half a FLAC')
  await refused(
    new Uint8Array(Buffer.from(golden.files.mp3!, 'base64')).slice(0, 60),
    /no sound|damaged/,
    'half an MP3',
  )
  // Cut where a decoder would go on without a word.
  for (const [name, share] of [
    ['ogg', 0.9],
    ['opus', 0.6],
    ['opus', 0.95],
    ['mp3', 0.6],
  ] as const) {
    const bytes = new Uint8Array(Buffer.from(golden.files[name]!, 'base64'))
    await refused(bytes.slice(0, Math.floor(share * bytes.length)), /it is cut off/, `${share} of ${name}`)
  }
})

test('values that are no numbers become 0 and are counted', async () => {
  const x = rising(100, 16_000)
  x[5] = Number.NaN
  x[6] = Number.POSITIVE_INFINITY
  const { missing, samples } = await readSound(wav([x], { bits: 32, tag: 3 }))
  assert.deepEqual([missing, samples[5], samples[6]], [2, 0, 0])
})

test('a recording is known by its content, not by its name', () => {
  assert.equal(formatOf(wav([rising(10, 8000)]))?.name, 'WAVE')
  for (const [name, is] of [
    ['flac', 'FLAC'],
    ['mp3', 'MP3'],
    ['ogg', 'Ogg Vorbis'],
    ['opus', 'Opus'],
    ['aiff', 'AIFF'],
  ])
    assert.equal(formatOf(new Uint8Array(Buffer.from(golden.files[name!]!, 'base64')))?.name, is)
  assert.ok(soundFiles.isNamed('A/B.WAV') && soundFiles.isNamed('x.Flac') && !soundFiles.isNamed('x.csv'), 'endings')
  assert.match(describeSound(Buffer.from('version https://git-lfs.github.com/spec/v1')), /git lfs pull/)
  assert.ok(!soundFiles.recognises(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')), 'a picture is no recording')
})

test('what is heard: peak, clipping and rate of the file', async () => {
  const x = Float32Array.from({ length: 1000 }, (_, i) => Math.max(-1, Math.min(1, 1.5 * Math.sin(i / 10))))
  const heard = await readSound(wav([x], { rate: 44_100 }), { rate: 16_000 })
  assert.ok(heard.clipped > 0.4 && heard.clipped < 0.6, `clipped ${heard.clipped}`)
  assert.equal(heard.frames, 1000)
  assert.equal(heard.samples.length, Math.ceil((1000 * 160) / 441))
  const opened = await openSound(bytesReader(wav([x], { rate: 44_100 })))
  assert.deepEqual([opened.rate, opened.frames, opened.encoding], [44_100, 1000, 'PCM 16'])
})

/** Silent frames of MP3: MPEG-1, layer III, 128 kbit/s, 44.1 kHz, one channel; 417 bytes and 1,152 samples each. */
function silentMp3(frames: number, { announced }: { announced?: number } = {}): Uint8Array {
  const frame = (more: (bytes: Uint8Array) => void = () => {}) => {
    const bytes = new Uint8Array(417)
    bytes.set([0xff, 0xfb, 0x90, 0xc4])
    more(bytes)
    return bytes
  }
  const head = frame(bytes => {
    bytes.set(Buffer.from('Xing\0\0\0\x01', 'latin1'), 21)
    new DataView(bytes.buffer).setUint32(29, announced!)
  })
  const all = Array.from({ length: frames }, () => frame())
  return new Uint8Array(Buffer.concat(announced === undefined ? all : [head, ...all]))
}
const noise = (length: number, seed = 1) => {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16)
}
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const spoilt = (bytes: Uint8Array, from: number, to: number) =>
  join(bytes.slice(0, from * bytes.length), noise((to - from) * bytes.length), bytes.slice(to * bytes.length))

test('a compressed recording that is only partly readable is refused with what was found', async () => {
  const partly = /only a part of it can be read|can't be decoded|cut off or damaged|holds no sound, or it is damaged/
  await refused(
    join(silentMp3(1), noise(20_000)),
    /only a part of it can be read: 20 KB of 20 KB .*are no MP3/,
    'one frame',
  )
  await refused(spoilt(silentMp3(200), 0.4, 0.6), partly, 'junk in the middle of an MP3')
  await refused(join(silentMp3(50), new Uint8Array(100_000)), partly, 'a download that was never filled')
  await refused(silentMp3(100, { announced: 300 }).slice(0, -100), /announces 7\.84 s and 2\.59 s are there/, 'cut MP3')
  await refused(Uint8Array.of(0xff, 0xfb, 0x00, 0xc4, ...new Uint8Array(900)), /free format/, 'free format')
  for (const name of ['flac', 'ogg', 'opus'] as const) {
    const bytes = new Uint8Array(Buffer.from(golden.files[name]!, 'base64'))
    await refused(spoilt(bytes, 0.7, 0.95), partly, `junk in ${name}`)
  }
  const flac = new Uint8Array(Buffer.from(golden.files.flac!, 'base64'))
  flac.fill(0, 22, 26) // a FLAC file of a pipe does not know its length
  flac[21]! &= 0xf0
  assert.equal((await readSound(flac)).samples.length, 4000, 'without a length')
  await refused(spoilt(flac, 0.7, 0.95), partly, 'junk in a FLAC without a length')
})

test('an MP3 as programs write it is read, with a word where a little is missing', async () => {
  const read = async (bytes: Uint8Array) => {
    const { samples, rate, notes = [] } = await readSound(bytes)
    return { seconds: samples.length / rate, notes: notes.join('; ') }
  }
  const frames = 200
  const seconds = (frames * 1152) / 44_100
  const id3 = join(Buffer.from('ID3\x04\0\0\0\0\x08\0', 'latin1'), noise(1024))
  const tag = new Uint8Array(128)
  tag.set(Buffer.from('TAGname'))
  const mp3 = silentMp3(frames)
  const cases: [string, Uint8Array, RegExp][] = [
    ['plain', mp3, /^$/],
    ['tags at both ends', join(id3, mp3, tag), /^$/],
    ['padding', join(mp3, new Uint8Array(2048)), /^$/],
    ['the right count', silentMp3(frames, { announced: frames }), /^$/],
    [
      'a count that is too high',
      silentMp3(frames, { announced: 900 }),
      /^its header announces 23\.51 s and it has 5\.22 s/,
    ],
    ['a last frame that is cut off', mp3.slice(0, -100), /^its last frame is cut off/],
    ['a little junk', join(mp3.slice(0, 41_700), noise(500), mp3.slice(41_700)), /^500 B of it, from byte 41700 on/],
  ]
  for (const [what, bytes, expected] of cases) {
    const found = await read(bytes)
    assert.ok(Math.abs(found.seconds - seconds) < 0.1, `${what}: ${found.seconds} s, expected ${seconds}`)
    assert.match(found.notes, expected, what)
  }
})
