// Tensor cores and the functions that feed them: asynchronous copies from global to shared
// memory, swizzled tiles, fragments and mma (PTX ISA 9.7.13 and 9.7.8.25, whose figures
// show the layouts of fragments).
#pragma once
#include "device.cuh"

#ifdef __clang__
DEVICE u32 sharedAddress(const void *p) { return (u32)(u64)(__attribute__((address_space(3))) const char *)p; }
#else
DEVICE u32 sharedAddress(const void *p) { return (u32)__cvta_generic_to_shared(p); }
#endif

// copy16 starts the copy of 0 to 16 bytes from src to 16 bytes of shared memory; the rest
// become zero. The copy is complete after waitCopies and, for other threads, a barrier.
DEVICE void copy16(u32 dst, const void *src, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(bytes) : "memory");
}
DEVICE void copy4(u32 dst, const void *src, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(dst), "l"(src), "r"(bytes) : "memory");
}
DEVICE void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// waitCopies waits until at most N groups of copies are in flight.
template <int N> DEVICE void waitCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

DEVICE void storeShared(u32 dst, u32 a, u32 b, u32 c, u32 d) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(dst), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// loadMatrices loads four 8x8 matrices of bf16. Lanes 8i to 8i+7 hold the addresses of the
// rows of matrix i. Of each matrix, a thread gets elements [lane/4][lane%4*2, +1] or,
// transposed, [lane%4*2, +1][lane/4].
template <bool TRANSPOSED> DEVICE void loadMatrices(u32 (&r)[4], u32 row) {
  if (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}

// multiply sets d [16, 8] += a [16, 16] · b [16, 8]. Of d, a thread has elements
// [lane/4][lane%4*2, +1] and those eight rows below.
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Tile is LINES lines of WIDTH bf16 in shared memory, in chunks of 16 bytes. Chunks are
// permuted within 128 bytes, so that the eight rows of a matrix lie in different banks
// however the tile is read.
template <int LINES, int WIDTH> struct Tile {
  static constexpr int chunks = WIDTH / 8, linesPer128 = chunks >= 8 ? 1 : 8 / chunks;
  static constexpr int bytes = LINES * WIDTH * 2;
  static_assert(chunks >= 2 && (chunks & (chunks - 1)) == 0, "a power of two");

  DEVICE u32 at(int line, int chunk) {
    const int key = line / linesPer128 & (min(chunks, 8) - 1);
    return (u32)(line * chunks + (chunk ^ key)) * 16;
  }

  // copy starts the copy of n elements (none if n is negative) to a chunk, the rest of
  // which becomes zero. FAST needs p aligned to 16 bytes, and none must be a valid address
  // for empty copies. Without FAST, elements are copied one by one, synchronously.
  template <bool FAST> DEVICE void copy(u32 tile, int line, int chunk, const bf16 *p, const bf16 *none, int n) {
    if (FAST) {
      copy16(tile + at(line, chunk), n > 0 ? p : none, n * 2);
    } else {
      u32 w[4] = {0, 0, 0, 0};
#pragma unroll
      for (int e = 0; e < 8; e++)
        if (e < n) w[e / 2] |= (u32)p[e].u << (e % 2 * 16);
      storeShared(tile + at(line, chunk), w[0], w[1], w[2], w[3]);
    }
  }

  // load starts the copy of lines × width elements with THREADS threads. The rest of the
  // tile becomes zero.
  template <int THREADS, bool FAST> DEVICE void load(u32 tile, const bf16 *src, i64 ld, int lines, int width) {
    static_assert(LINES * chunks % THREADS == 0, "each thread copies as much");
#pragma unroll
    for (int j = 0; j < LINES * chunks / THREADS; j++) {
      const int i = j * THREADS + tidX(), line = i / chunks, chunk = i % chunks;
      const int n = line < lines ? max(0, min(8, width - chunk * 8)) : 0;
      copy<FAST>(tile, line, chunk, src + line * ld + chunk * 8, src, n);
    }
  }

  // loadPair is load of two operands of the given number of lines each: HALF lines of x,
  // then HALF lines of y, and so on.
  template <int THREADS, bool FAST, int HALF> DEVICE void loadPair(u32 tile, const bf16 *x, const bf16 *y, i64 ld, int lines, int width) {
    static_assert(LINES * chunks % THREADS == 0 && LINES % (2 * HALF) == 0, "each thread copies as much");
#pragma unroll
    for (int j = 0; j < LINES * chunks / THREADS; j++) {
      const int i = j * THREADS + tidX(), line = i / chunks, chunk = i % chunks;
      const int r = line % (2 * HALF), from = line / (2 * HALF) * HALF + r % HALF;
      const int n = from < lines ? max(0, min(8, width - chunk * 8)) : 0;
      const bf16 *src = r < HALF ? x : y;
      copy<FAST>(tile, line, chunk, src + from * ld + chunk * 8, src, n);
    }
  }

  // rowFragment loads the a operand of multiply, rows from line on and k from chunk*8 on,
  // from a tile whose lines run along k.
  DEVICE void rowFragment(u32 (&a)[4], u32 tile, int line, int chunk) {
    loadMatrices<false>(a, tile + at(line + tidX() % 16, chunk + tidX() % 32 / 16));
  }
  // rowFragmentT is rowFragment from a tile with a line for each k.
  DEVICE void rowFragmentT(u32 (&a)[4], u32 tile, int chunk, int line) {
    loadMatrices<true>(a, tile + at(line + tidX() % 8 + tidX() % 32 / 16 * 8, chunk + tidX() / 8 % 2));
  }
  // colFragments loads the b operands of two multiplies, (b[0], b[1]) for the eight columns
  // from line on and (b[2], b[3]) for the next eight, from a tile whose lines run along k.
  DEVICE void colFragments(u32 (&b)[4], u32 tile, int line, int chunk) {
    loadMatrices<false>(b, tile + at(line + tidX() % 8 + tidX() % 32 / 16 * 8, chunk + tidX() / 8 % 2));
  }
  // colFragmentsT is colFragments from a tile with a line for each k.
  DEVICE void colFragmentsT(u32 (&b)[4], u32 tile, int chunk, int line) {
    loadMatrices<true>(b, tile + at(line + tidX() % 16, chunk + tidX() % 32 / 16));
  }
};
