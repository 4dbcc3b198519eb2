// Compiled with the instructions of its name (CMakeLists.txt).
#include "pictures.h"
#ifdef __AVX2__
#include "decode.h"
#endif

namespace anneal::pictures {

#ifdef __AVX2__
const Decode decodeAvx2 = [](const Job& job) { return decodeHere(job); };
#else
const Decode decodeAvx2 = nullptr;
#endif

}  // namespace anneal::pictures
