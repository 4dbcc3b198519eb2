import type { Pinned } from '../base/fetch.ts'
import type { WheelPin } from '../base/packages.ts'

/** The libtorch that is fetched if none is found, for one platform. */
export type LibtorchPins = {
  archive: Pinned & { version: string; bytes: number }
  /** Wheels that together hold one libtorch. All are unpacked into the same folder. */
  wheels: { version: string; parts: (WheelPin & { members: RegExp })[] }
}

const cudaLicence = 'NVIDIA CUDA EULA'

/** The pins by `<platform>-<arch>`, as Node names them. The digest of the archive is from
 *  GreenPandaStudios/aug-pytorch, native/linux-libtorch.lock.json (its CI fetches and checks it). The digests of the
 *  wheels were computed from the files. */
export const libtorchPins: Record<string, LibtorchPins> = {
  'linux-x64': {
    archive: {
      version: '2.14.1',
      url: 'https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.14.1%2Bcpu.zip',
      sha256: '0f02329a5266153cffa9dc12926ff2221fa626207b894d40bd61905cc2079821',
      bytes: 127_853_266,
      what: 'libtorch 2.14.1 for CPU',
      licence: 'BSD-3-Clause',
    },
    wheels: {
      version: '2.15.0',
      parts: [
        {
          package: 'torch',
          version: '2.15.0',
          file: 'torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl',
          sha256: '48c2d861134c0b5697c7602cb5ffa68f62a2989fdcd1717e593356f67996ca1e',
          bytes: 539_136_850,
          what: 'torch 2.15.0',
          licence: 'BSD-3-Clause',
          pythonVersion: '3.11',
          platform: 'manylinux_2_28_x86_64',
          members:
            /^torch\/include\/|^torch\/version\.py$|^torch\/lib\/(libtorch_cpu|libc10|libgomp[^/]*)\.so[.\d]*$|\.dist-info\/licenses\/(LICENSE|NOTICE)$/,
        },
        {
          package: 'nvidia-cuda-runtime',
          version: '13.2.86',
          file: 'nvidia_cuda_runtime-13.2.86-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          sha256: '3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0',
          bytes: 2_323_576,
          what: 'CUDA runtime 13.2 (torch needs it to load, with or without a GPU)',
          licence: cudaLicence,
          pythonVersion: '3.11',
          platform: 'manylinux2014_x86_64',
          members: /\/lib\/libcudart\.so[.\d]*$|\.dist-info\/.*licen[sc]e/i,
        },
        {
          package: 'nvidia-cuda-cupti',
          version: '13.2.86',
          file: 'nvidia_cuda_cupti-13.2.86-py3-none-manylinux_2_25_x86_64.whl',
          sha256: '8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586',
          bytes: 11_988_600,
          what: 'CUDA profiling interface 13.2 (torch needs it to load)',
          licence: cudaLicence,
          pythonVersion: '3.11',
          platform: 'manylinux_2_25_x86_64',
          members: /\/lib\/libcupti\.so[.\d]*$|\.dist-info\/.*licen[sc]e/i,
        },
      ],
    },
  },
}
