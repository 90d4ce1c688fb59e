#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define tidx __nvvm_read_ptx_sreg_tid_x()
#define ctaidx __nvvm_read_ptx_sreg_ctaid_x()
#define ntidx __nvvm_read_ptx_sreg_ntid_x()
extern "C" __global__ void add(float* c, const float* a, const float* b, int n) {
  int i = ctaidx * ntidx + tidx; if (i < n) c[i] = a[i] + b[i];
}
extern "C" __global__ void reduce(float* out, const float* x, int n) {
  __shared__ float s[256];
  int t = tidx; float v = 0;
  for (int i = t; i < n; i += ntidx) v += x[i];
  s[t] = v;
  __nvvm_bar_sync(0);
  for (int k = 128; k > 0; k >>= 1) { if (t < k) s[t] += s[t + k]; __nvvm_bar_sync(0); }
  if (t == 0) out[ctaidx] = s[0];
}
extern "C" __global__ void gemm(float* d, const unsigned short* a, const unsigned short* b, int K) {
  // one warp, 16x8 tile, A [16][K] bf16 row, B [8][K] (col)
  extern __shared__ __attribute__((aligned(16))) unsigned short sm[];
  unsigned short* sa = sm; unsigned short* sb = sm + 16*16;
  int l = tidx;
  float c0=0,c1=0,c2=0,c3=0;
  for (int k = 0; k < K; k += 16) {
    unsigned dst = (unsigned)(unsigned long long)(__attribute__((address_space(3))) void*)(sa + (l/2)*16 + (l&1)*8);
    const unsigned short* src = a + (l/2)*K + k + (l&1)*8;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(dst), "l"(src));
    if (l < 16) {
      unsigned dst2 = (unsigned)(unsigned long long)(__attribute__((address_space(3))) void*)(sb + (l/2)*16 + (l&1)*8);
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(dst2), "l"(b + (l/2)*K + k + (l&1)*8));
    }
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __nvvm_bar_sync(0);
    unsigned a0,a1,a2,a3,b0,b1;
    unsigned pa = (unsigned)(unsigned long long)(__attribute__((address_space(3))) void*)(sa + (l%16)*16 + (l/16)*8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(a0),"=r"(a1),"=r"(a2),"=r"(a3) : "r"(pa));
    unsigned pb = (unsigned)(unsigned long long)(__attribute__((address_space(3))) void*)(sb + (l%8)*16 + ((l/8)%2)*8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(b0),"=r"(b1) : "r"(pb));
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" : "+f"(c0),"+f"(c1),"+f"(c2),"+f"(c3) : "r"(a0),"r"(a1),"r"(a2),"r"(a3),"r"(b0),"r"(b1));
    __nvvm_bar_sync(0);
  }
  int g = l/4, t = l%4;
  d[g*8 + t*2] = c0; d[g*8+t*2+1] = c1; d[(g+8)*8+t*2] = c2; d[(g+8)*8+t*2+1]=c3;
}
