// Compiled with the instructions of its name (CMakeLists.txt).
#include "pictures.h"
#ifdef __AVX2__
#include "decode.h"
#endif

namespace anneal::pictures {

#ifdef __AVX2__
static const Decoder made{planHere, decodeHere};
const Decoder* const avx2Decoder = &made;
#else
const Decoder* const avx2Decoder = nullptr;
#endif

}  // namespace anneal::pictures
