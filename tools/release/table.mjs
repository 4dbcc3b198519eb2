const size = bytes => (bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`)
const row = cells => `| ${cells.join(' | ')} |`

/** RELEASE.md: the packages with sizes and digests, the builds inside, and what to do with them. */
export function table(version, packages, builds) {
  return `# anneal ${version}

${row(['package', 'tarball', 'unpacked', 'files', 'sha256'])}
|---|--:|--:|--:|---|
${packages.map(p => row([`\`${p.file}\``, size(p.bytes), size(p.unpacked), p.files, `\`${p.sha256}\``])).join('\n')}

Integrity, as npm prints it:

${packages.map(p => `- \`${p.name}@${p.version}\`: \`${p.integrity}\``).join('\n')}

## Compiled files

${row(['target', 'for libtorch', 'needs', 'file', 'bytes', 'sha256', 'built with'])}
|---|---|---|---|--:|---|---|
${builds
  .flatMap(b =>
    Object.entries(b.files).map(([name, f]) =>
      row([
        b.target,
        b.libtorch,
        b.glibc ? `glibc ${b.glibc}` : '',
        `\`${name}\``,
        f.bytes,
        `\`${f.sha256}\``,
        typeof b.builtWith === 'string' ? b.builtWith : JSON.stringify(b.builtWith ?? ''),
      ]),
    ),
  )
  .join('\n')}

Licences of what is inside: \`NOTICE.md\` of each platform package.

## To publish

The platform packages first, then \`anneal\`, so that nobody installs it without them. In a CI job with an identity token:

\`\`\`sh
${[...packages]
  .sort((a, b) => Number(a.name === 'anneal') - Number(b.name === 'anneal'))
  .map(p => `npm publish --access public --provenance ${p.file}`)
  .join('\n')}
\`\`\`

npm takes provenance from the CI services that it knows; elsewhere leave \`--provenance\` out.
`
}
