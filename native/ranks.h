// What is needed of libtorch to join a group of processes. Elsewhere each function refuses by name (ranks.cpp).
#pragma once
#include "door.h"

// Official builds of libtorch bring TCPStore and Gloo. Elsewhere nothing was compiled or run.
#if ANNEAL_TORCH_2_9 && defined(__linux__)
#define ANNEAL_RANKS 1
#else
#define ANNEAL_RANKS 0
#endif
