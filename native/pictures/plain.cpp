#include "decode.h"

namespace anneal::pictures {

const Decoder plainDecoder{planHere, decodeHere};

}  // namespace anneal::pictures
