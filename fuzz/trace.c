/* What gcc's -fsanitize-coverage=trace-pc calls at every branch of the C codecs, as counters that
 * libFuzzer looks at. Without it the fuzzer is blind inside libjpeg-turbo and libopus; clang, whose
 * own counters libFuzzer knows, is not needed.
 */
#include <stdint.h>

enum { BITS = 14 };

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[1 << BITS];

void __sanitizer_cov_trace_pc(void)
{
    /* Relative, so that it is the same place in every run. */
    uint64_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&__sanitizer_cov_trace_pc;
    counters[(place * 0x9e3779b97f4a7c15u) >> (64 - BITS)]++;
}

/* gcc tells of compared floats too; libFuzzer has no use for them. */
void __sanitizer_cov_trace_cmpf(float one, float other)
{
    (void)one;
    (void)other;
}

void __sanitizer_cov_trace_cmpd(double one, double other)
{
    (void)one;
    (void)other;
}
