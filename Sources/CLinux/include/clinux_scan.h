// The delimiter scanners: the only unchecked reads of network bytes. Both read [bytes, bytes + length) and
// nothing beyond it; both are fuzzed with the parsers that call them.
#ifndef SLUICE_CLINUX_SCAN_H
#define SLUICE_CLINUX_SCAN_H

#include <stddef.h>
#include <stdint.h>

typedef unsigned char clinux_v16 __attribute__((vector_size(16), aligned(1)));
typedef char clinux_s16 __attribute__((vector_size(16)));

/// Index of the first byte that a field value can't hold: a control character but tab (RFC 9110 §5.5);
/// `length` when there is none.
static inline size_t clinux_scan_value(const uint8_t *bytes, size_t length) {
    size_t index = 0;
#if defined(__SSE2__)
    while (index + 16 <= length) {
        clinux_v16 block = *(const clinux_v16 *)(bytes + index);
        clinux_s16 bad = (clinux_s16)((block < 0x20) & (block != 0x09)) | (clinux_s16)(block == 0x7f);
        int mask = __builtin_ia32_pmovmskb128(bad);
        if (mask) return index + (size_t)__builtin_ctz((unsigned)mask);
        index += 16;
    }
#endif
    while (index < length) {
        uint8_t byte = bytes[index];
        if ((byte < 0x20 && byte != 0x09) || byte == 0x7f) return index;
        index++;
    }
    return length;
}

/// `tchar` of RFC 9110 §5.6.2, a bit per byte value.
static const uint64_t clinux_token_bits[4] = {
    0x03ff6cfa00000000u, 0x57ffffffc7fffffeu, 0, 0,
};

/// Index of the first byte that is no `tchar`; `length` when there is none.
static inline size_t clinux_scan_token(const uint8_t *bytes, size_t length) {
    size_t index = 0;
#if defined(__SSE2__)
    // Letters, digits and hyphens, of which nearly all names are made, in blocks; what they aren't byte by byte.
    while (index + 16 <= length) {
        clinux_v16 block = *(const clinux_v16 *)(bytes + index);
        clinux_v16 letter = (block | 0x20) - 0x61, digit = block - 0x30;
        clinux_s16 good = (clinux_s16)(letter <= 25) | (clinux_s16)(digit <= 9) | (clinux_s16)(block == 0x2d);
        unsigned mask = ~(unsigned)__builtin_ia32_pmovmskb128(good) & 0xffff;
        if (mask) {
            index += (size_t)__builtin_ctz(mask);
            break;
        }
        index += 16;
    }
#endif
    while (index < length) {
        uint8_t byte = bytes[index];
        if (!(clinux_token_bits[byte >> 6] >> (byte & 63) & 1)) return index;
        index++;
    }
    return length;
}

/// Index of the first byte that is not visible ASCII or obs-text (0x21…0x7e, 0x80…0xff): the end of a
/// request target; `length` when there is none.
static inline size_t clinux_scan_target(const uint8_t *bytes, size_t length) {
    size_t index = 0;
#if defined(__SSE2__)
    while (index + 16 <= length) {
        clinux_v16 block = *(const clinux_v16 *)(bytes + index);
        clinux_s16 bad = (clinux_s16)(block < 0x21) | (clinux_s16)(block == 0x7f);
        int mask = __builtin_ia32_pmovmskb128(bad);
        if (mask) return index + (size_t)__builtin_ctz((unsigned)mask);
        index += 16;
    }
#endif
    while (index < length) {
        uint8_t byte = bytes[index];
        if (byte < 0x21 || byte == 0x7f) return index;
        index++;
    }
    return length;
}

#endif
