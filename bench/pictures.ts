import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { rng } from '../src/base/random.ts'

/** Makes class folders of JPEG pictures like small photos: smooth noise over the colour of the class. Returns the
 *  folder. */
export async function pictureFolder(
  folder: string,
  {
    pictures,
    classes,
    width = 320,
    height = 240,
  }: { pictures: number; classes: number; width?: number; height?: number },
): Promise<string> {
  for (let c = 0; c < classes; c++) mkdirSync(join(folder, `class ${c}`), { recursive: true })
  const [w, h] = [Math.ceil(width / 16), Math.ceil(height / 16)]
  for (let i = 0; i < pictures; i++) {
    const [c, random] = [i % classes, rng(7, i)]
    const base = [0, 1, 2].map(k => 128 + 70 * Math.sin(c * 1.7 + k * 2.1))
    const noise = Uint8Array.from({ length: 3 * w * h }, (_, at) =>
      Math.max(0, Math.min(255, base[at % 3]! + random.uniform(-60, 60))),
    )
    await sharp(noise, { raw: { width: w, height: h, channels: 3 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .jpeg({ quality: 90 })
      .toFile(join(folder, `class ${c}`, `${i}.jpg`))
  }
  return folder
}
