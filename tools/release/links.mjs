/** Rewrites relative links to absolute ones: `](docs/labels.md)` →
 *  `](https://unpkg.com/anneal@0.1.0/docs/labels.md)`, because the page of a package shows only the README. */
export function linked(text, { name, version }) {
  return text.replace(
    /\]\((?![a-z]+:|#|\/)([^)\s]+)\)/g,
    (_, path) => `](https://unpkg.com/${name}@${version}/${path})`,
  )
}
