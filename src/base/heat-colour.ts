/** From violet over red to light yellow, in equal steps of OKLCH lightness, so that it also works in grey. */
// biome-ignore format: a table
const stops = [
  [ 27,   0,  81], [ 70,   0, 109], [120,   1, 119], [172,  12, 112], [215,  50,  90],
  [249,  91,  55], [255, 149,  62], [254, 198, 105], [255, 241, 156],
] as const

/** The colour of a heat from 0 to 1. */
export function heatColour(heat: number): [r: number, g: number, b: number] {
  const t = Math.min(1, Math.max(0, heat)) * (stops.length - 1)
  const i = Math.min(stops.length - 2, Math.floor(t))
  const mix = (c: 0 | 1 | 2) => stops[i]![c] + (t - i) * (stops[i + 1]![c] - stops[i]![c])
  return [mix(0), mix(1), mix(2)]
}
