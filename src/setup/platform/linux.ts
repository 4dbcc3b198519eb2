import type { Platform } from './platform.ts'

const cudaLicence = 'NVIDIA CUDA EULA'
const licences = String.raw`\.dist-info\/licenses\/(LICENSE|NOTICE)$`
const cudart = /\/lib\/libcudart\.so[.\d]*$|\.dist-info\/.*licen[sc]e/i
const cupti = /\/lib\/libcupti\.so[.\d]*$|\.dist-info\/.*licen[sc]e/i
const torch = (libraries: string) =>
  new RegExp(String.raw`^torch\/include\/|^torch\/version\.py$|^torch\/lib\/(${libraries})\.so[.\d]*$|${licences}`)

/** Linux with glibc. The digest of the archive is from GreenPandaStudios/aug-pytorch, native/linux-libtorch.lock.json
 *  (its CI fetches and checks it). The digests of the wheels were computed from the files. */
export const linux: Platform = {
  library: name => `lib${name}.so`,
  libraryFolders: arch => {
    const triplet = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[arch]
    return [...(triplet ? [`lib/${triplet}`] : []), 'lib64', 'lib']
  },
  prefixes: ['/usr', '/usr/local', '/usr/local/libtorch', '/opt/libtorch'],
  needsOneDnn: true,
  origin: '$ORIGIN',
  clangServes: false,
  compilers: ['c++', 'g++', 'clang++'],
  spin: { name: 'GOMP_SPINCOUNT', value: '2000' },
  install: {
    buildTools: 'Debian, Ubuntu: apt install build-essential cmake; Fedora: dnf install gcc-c++ make cmake',
    compiler: 'a C++ compiler (g++ 9 or newer)',
    python: 'apt install python3 python3-pip',
    pip: 'Debian, Ubuntu: apt install python3-pip',
    libtorch: 'pip install torch, or apt install libtorch-dev',
  },
  pins: {
    x64: {
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
            members: torch('libtorch_cpu|libc10|libgomp[^/]*'),
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
            members: cudart,
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
            members: cupti,
          },
        ],
      },
    },
    arm64: {
      wheels: {
        version: '2.15.0',
        parts: [
          {
            package: 'torch',
            version: '2.15.0',
            file: 'torch-2.15.0-cp311-cp311-manylinux_2_28_aarch64.whl',
            sha256: '58ce2ebfb3430941353109a85be63ee8e941da22f13daa2c43344eeb51c81e06',
            bytes: 483_605_887,
            what: 'torch 2.15.0',
            licence: 'BSD-3-Clause; its libnvpl: NVIDIA NVPL',
            pythonVersion: '3.11',
            platform: 'manylinux_2_28_aarch64',
            members: torch('libtorch_cpu|libc10|libgomp|libgfortran|libarm_compute(_graph)?|libnvpl_[^/]*'),
          },
          {
            package: 'nvidia-cuda-runtime',
            version: '13.2.86',
            file: 'nvidia_cuda_runtime-13.2.86-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
            sha256: '37844957894bfdecf90243568d21a2cb251b66106915b71459a23c8e6ef2da69',
            bytes: 2_341_433,
            what: 'CUDA runtime 13.2 (torch needs it to load, with or without a GPU)',
            licence: cudaLicence,
            pythonVersion: '3.11',
            platform: 'manylinux2014_aarch64',
            members: cudart,
          },
          {
            package: 'nvidia-cuda-cupti',
            version: '13.2.86',
            file: 'nvidia_cuda_cupti-13.2.86-py3-none-manylinux_2_25_aarch64.whl',
            sha256: 'd9a5c133f73fcb9013f3ada0da6fb54d4117618d81f3f5a0419417ea6ee829d4',
            bytes: 11_760_263,
            what: 'CUDA profiling interface 13.2 (torch needs it to load)',
            licence: cudaLicence,
            pythonVersion: '3.11',
            platform: 'manylinux_2_25_aarch64',
            members: cupti,
          },
        ],
      },
    },
  },
}
