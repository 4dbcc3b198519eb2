import type { WheelPin } from '../../../base/packages.ts'

/** The version of LightGBM that trains trees. */
export const lightgbmVersion = '4.7.0'

/** A wheel of LightGBM and the name of its shared library. */
export interface LightgbmPin extends WheelPin {
  library: string
}

const wheel = (
  pin: Pick<LightgbmPin, 'file' | 'sha256' | 'bytes' | 'library'> & { platform: string },
): LightgbmPin => ({
  package: 'lightgbm',
  version: lightgbmVersion,
  what: `LightGBM ${lightgbmVersion}`,
  licence: 'MIT',
  ...pin,
})

/** The wheels by `<platform>-<arch>`, as Node names them. The digests were computed from the files. */
export const lightgbmPins: Readonly<Record<string, LightgbmPin>> = {
  'linux-x64': wheel({
    file: 'lightgbm-4.7.0-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl',
    sha256: 'd23e922acd891e77212e4d0fbcee9ba973c96dee479491341d05ba595357ebb7',
    bytes: 3_476_028,
    platform: 'manylinux_2_28_x86_64',
    library: 'lib_lightgbm.so',
  }),
  'linux-arm64': wheel({
    file: 'lightgbm-4.7.0-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
    sha256: 'd4529acec5c6fefe4768302a529707d0ead90f6a6f42df694b856212e09695b8',
    bytes: 3_349_492,
    platform: 'manylinux2014_aarch64',
    library: 'lib_lightgbm.so',
  }),
  'darwin-arm64': wheel({
    file: 'lightgbm-4.7.0-py3-none-macosx_12_0_arm64.whl',
    sha256: '129535462686f274df179133643118c5c5c5667167fe6c3a28d955f0b3c8e868',
    bytes: 1_498_914,
    platform: 'macosx_12_0_arm64',
    library: 'lib_lightgbm.dylib',
  }),
}
