import type { FeatureLayer, FeaturePicture } from '../../runs/index.ts'
import { fileName, image, type Loaded, name } from '../page/components.ts'
import { type Html, html } from '../page/html.ts'
import { count } from '../page/text.ts'
import { mapKey } from './map-images.ts'

/** Feature maps of a few pictures: the picture, and a row of maps for each layer. */
export function featureMaps(list: readonly FeaturePicture[], pictures: Loaded): Html | undefined {
  const there = list.filter(p => p.layers.length > 0)
  if (there.length === 0) return undefined
  const cards = there.map(
    p =>
      html`<li class="card seen"><div class="given">${image(p.thumbnail, `picture of ${p.label}`, pictures)}<p>${name(p.label)}${fileName(p.file)}</p></div><div>${p.layers.map(layer => row(layer, pictures))}</div></li>`,
  )
  return html`<h3>What the layers see</h3><p class="soft">The channels that differ most over the picture: the first convolution finds edges and colours, later layers parts of what is to be told apart. Dark is the lowest value of a map, white the highest.</p><ul class="features">${cards}</ul>`
}

function row(layer: FeatureLayer, pictures: Loaded): Html {
  const { height, width, channels, maps } = layer
  const title = layer.layer === '' ? 'last layer' : layer.layer
  return html`<h4>${name(title)} <span class="soft">${count(channels)} maps of ${height} × ${width}</span></h4><div class="maps">${maps.map(
    map => image(mapKey(layer, map.data), `channel ${map.channel} of ${title}`, pictures),
  )}</div>`
}
