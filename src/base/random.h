/*
 * random: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * 2018), seeded by splitmix64. Same seed, same numbers: a run can be replayed. Not for secrets.
 */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *, uint64_t seed);
uint64_t random_u64(struct random *);
/* Uniform in [0, bound); bound > 0 (Lemire, "Fast random integer generation in an interval", 2019).
 */
uint32_t random_below(struct random *, uint32_t bound);
/* Uniform in [0, 1). */
double random_unit(struct random *);
