// Rows and elements: conversion, addition, and the movement of whole rows.
// Nothing here but AddRows, Add and EmbedGrad computes, so all results have
// the bits of the CPU engine.
#include "device.cuh"

// A thread per element of a grid-stride loop; launched with blocks of 256.
#define FOR_ELEMENTS(i, n) for (i64 i = (i64)ctaX() * dimX() + tidX(); i < (n); i += (i64)gridX() * dimX())

template <typename D, typename S> DEVICE void convert(D *dst, const S *src, i64 n) {
  FOR_ELEMENTS(i, n) store(dst, i, load(src, i));
}
KERNEL convert_f32_f32(float *dst, const float *src, i64 n) { convert(dst, src, n); }
KERNEL convert_f32_bf16(float *dst, const bf16 *src, i64 n) { convert(dst, src, n); }
KERNEL convert_bf16_f32(bf16 *dst, const float *src, i64 n) { convert(dst, src, n); }

template <typename D, typename S> DEVICE void add(D *dst, const S *src, i64 n) {
  FOR_ELEMENTS(i, n) store(dst, i, load(dst, i) + load(src, i));
}
KERNEL add_f32_f32(float *dst, const float *src, i64 n) { add(dst, src, n); }
KERNEL add_f32_bf16(float *dst, const bf16 *src, i64 n) { add(dst, src, n); }
KERNEL add_bf16_f32(bf16 *dst, const float *src, i64 n) { add(dst, src, n); }
KERNEL add_bf16_bf16(bf16 *dst, const bf16 *src, i64 n) { add(dst, src, n); }
