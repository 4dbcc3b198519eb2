import type { Platform } from './platform.ts'

/** macOS. Its libtorch computes with Accelerate and KleidiAI, and with Metal on the device `mps`; it has no oneDNN.
 *  PyTorch publishes no libtorch for Macs with Intel processors since 2.2. */
export const darwin: Platform = {
  library: name => `lib${name}.dylib`,
  libraryFolders: () => ['lib'],
  prefixes: ['/opt/homebrew', '/usr/local', '/usr/local/libtorch', '/opt/libtorch'],
  needsOneDnn: false,
  origin: '@loader_path',
  clangServes: true,
  compilers: ['c++', 'clang++'],
  spin: { name: 'KMP_BLOCKTIME', value: '0' },
  install: {
    buildTools: 'xcode-select --install, then brew install cmake',
    compiler: 'a C++ compiler (clang of the Xcode command line tools)',
    python: 'xcode-select --install, or brew install python',
    pip: 'python3 -m ensurepip',
    libtorch: 'pip install torch',
  },
  pins: {
    arm64: {
      wheels: {
        version: '2.15.0',
        parts: [
          {
            package: 'torch',
            version: '2.15.0',
            file: 'torch-2.15.0-cp311-cp311-macosx_14_0_arm64.whl',
            sha256: 'e808b63d616a43b326e1a5677d45a2e5babe7a8ce27edb03ddb48e7dd9b6d663',
            bytes: 138_527_954,
            what: 'torch 2.15.0',
            licence: 'BSD-3-Clause',
            pythonVersion: '3.11',
            platform: 'macosx_14_0_arm64',
            members:
              /^torch\/include\/|^torch\/version\.py$|^torch\/lib\/lib(torch_cpu|c10|omp)\.dylib$|\.dist-info\/licenses\/(LICENSE|NOTICE)$/,
          },
        ],
      },
    },
  },
}
