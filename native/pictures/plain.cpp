#include "decode.h"

namespace anneal::pictures {

bool decodePlain(const Job& job) { return decodeHere(job); }

}  // namespace anneal::pictures
