#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <mma.h>
#include <cuda_pipeline.h>
#include <cstdio>
namespace cg = cooperative_groups;
using namespace nvcuda;
extern "C" {
__global__ void count(int* y, const int* x, int n){ int i=blockIdx.x*blockDim.x+threadIdx.x; int p = i<n && x[i]>0; int c=__syncthreads_count(p); int a=__syncthreads_and(p); int o=__syncthreads_or(p); if(threadIdx.x==0){ y[3*blockIdx.x]=c; y[3*blockIdx.x+1]=a!=0; y[3*blockIdx.x+2]=o!=0; } }
__global__ void cgreduce(int* y, float* z, const int* x, int n){ auto b=cg::this_thread_block(); auto w=cg::tiled_partition<32>(b); auto q=cg::tiled_partition<8>(b); int i=blockIdx.x*blockDim.x+threadIdx.x; int v = i<n? x[i]:0; int s=cg::reduce(w, v, cg::plus<int>()); int m=cg::reduce(q, v, cg::greater<int>()); float f = cg::reduce(w, (float)v, cg::plus<float>()); if(w.thread_rank()==0){ y[i/32]=s; z[i/32]=f; } if(q.thread_rank()==0) y[1024 + i/8]=m; b.sync(); }
__global__ void coalesced(int* y, const int* x, int n){ int i=threadIdx.x; if (x[i] & 1) { auto g=cg::coalesced_threads(); if(g.thread_rank()==0) y[0]=g.size(); int s=cg::reduce(g, x[i], cg::plus<int>()); if(g.thread_rank()==0) y[1]=s; } auto m=__match_any_sync(0xffffffffu, x[i]&3); y[2+i]=__popc(m); }
__global__ void halfs(__half2* y, const __half2* x, __nv_bfloat162* yb, const __nv_bfloat162* xb, int n){ int i=blockIdx.x*blockDim.x+threadIdx.x; if(i<n){ __half2 a=x[i]; y[i]=__hfma2(a,a,__hadd2(a,__float2half2_rn(0.5f))); y[i]=__hmax2(y[i], a); if(__hlt(a.x,a.y)) y[i].x=hexp(a.x); y[i]=h2sqrt(__habs2(y[i])); __nv_bfloat162 b=xb[i]; yb[i]=__hfma2(b,b,__hmul2(b,__float2bfloat162_rn(0.25f))); float2 f=__bfloat1622float2(yb[i]); yb[i]=__floats2bfloat162_rn(f.x+1,f.y*2); } }
__global__ void wmma_gemm(float* d, const __half* a, const __half* b, int K){ wmma::fragment<wmma::matrix_a,16,16,16,__half,wmma::row_major> fa; wmma::fragment<wmma::matrix_b,16,16,16,__half,wmma::col_major> fb; wmma::fragment<wmma::accumulator,16,16,16,float> fc; wmma::fill_fragment(fc,0.f); for(int k=0;k<K;k+=16){ wmma::load_matrix_sync(fa,a+k,K); wmma::load_matrix_sync(fb,b+k,K); wmma::mma_sync(fc,fa,fb,fc);} for(int i=0;i<fc.num_elements;i++) fc.x[i]*=2; wmma::store_matrix_sync(d,fc,16,wmma::mem_row_major); }
__global__ void wmma_bf(float* d, const __nv_bfloat16* a, const __nv_bfloat16* b, int K){ wmma::fragment<wmma::matrix_a,16,16,16,__nv_bfloat16,wmma::col_major> fa; wmma::fragment<wmma::matrix_b,16,16,16,__nv_bfloat16,wmma::row_major> fb; wmma::fragment<wmma::accumulator,16,16,16,float> fc; wmma::fill_fragment(fc,0.f); for(int k=0;k<K;k+=16){ wmma::load_matrix_sync(fa,a+k*16,16); wmma::load_matrix_sync(fb,b+k*16,16); wmma::mma_sync(fc,fa,fb,fc);} wmma::store_matrix_sync(d,fc,16,wmma::mem_col_major); }
__global__ void say(int n){ printf("thread %d of %d says %s %5.2f %x %lld%%\n", threadIdx.x, n, "hi", threadIdx.x*0.5, 255, (long long)-1); }
__global__ void sw(int* y, const int* x, int n){ int i=blockIdx.x*blockDim.x+threadIdx.x; if(i>=n) return; int v; switch(x[i]){ case 0: v=7; break; case 1: v=x[i]*3; break; case 2: v=i; break; case 3: v=i*i; break; case 4: v=__brev(i); break; case 5: v=__clz(i); break; case 6: v=-i; break; case 7: v=i^5; break; case 8: v = i%7; break; default: v=1; } y[i]=v; }
__device__ __noinline__ int fib(int n){ if(n<2) return n; return fib(n-1)+fib(n-2); }
__global__ void rec(int* y){ y[threadIdx.x]=fib(threadIdx.x%12); }
__global__ void div64(long long* y, const long long* a, const long long* b, int n){ int i=blockIdx.x*blockDim.x+threadIdx.x; if(i<n){ y[4*i]=a[i]/b[i]; y[4*i+1]=a[i]%b[i]; y[4*i+2]=(unsigned long long)a[i]/(unsigned long long)b[i]; y[4*i+3]=(unsigned long long)a[i]%(unsigned long long)b[i]; } }
__global__ void atomics(float* f, double* d, int* c, unsigned long long* u, __half2* h, const float* x, int n){ int i=blockIdx.x*blockDim.x+threadIdx.x; if(i<n){ atomicAdd(f,x[i]); atomicAdd(d,(double)x[i]); atomicMax(c,(int)x[i]); atomicMin(c+1,(int)x[i]); atomicAdd(c+2,1); atomicXor(c+3,i); atomicAdd(u,(unsigned long long)i); int old=c[4], as; do{ as=old; old=atomicCAS(c+4,as,as+2);}while(old!=as); atomicExch(c+5,i); atomicInc((unsigned*)c+6, 9); atomicAdd(h, __floats2half2_rn(1.f,2.f)); } }
__device__ int (*table[3])(int);
__device__ int f0(int a){return a+1;} __device__ int f1(int a){return a*2;} __device__ int f2(int a){return -a;}
__global__ void indirect(int* y, int n){ int (*fs[3])(int)={f0,f1,f2}; int i=threadIdx.x; y[i]=fs[i%3](i); }
struct S{ int a[5]; double b; float c; };
__device__ __noinline__ S mk(S s, int k){ s.a[k%5]+=k; s.b*=2; s.c+=k; return s; }
__global__ void structs(S* y, S s){ S t=mk(s, threadIdx.x); y[threadIdx.x]=t; }
__global__ void locals(int* y, const int* x, int n){ int buf[32]; for(int i=0;i<32;i++) buf[i]=x[i]*threadIdx.x; int s=0; for(int i=0;i<n;i++) s+=buf[(x[i]+i)&31]; y[threadIdx.x]=s; }
__constant__ float cst[4]={1,2,3,4}; __device__ int gl=5; __device__ int* gp=&gl;
__global__ void consts(float* y){ y[threadIdx.x]=cst[threadIdx.x&3]+*gp; if(threadIdx.x==0) gl=6; }
__device__ unsigned done; 
__global__ void lastblock(float* out, float* part, const float* x, int n){ __shared__ float s[128]; __shared__ bool last; int t=threadIdx.x; float v=0; for(int i=blockIdx.x*128+t;i<n;i+=gridDim.x*128) v+=x[i]; s[t]=v; __syncthreads(); for(int k=64;k;k/=2){ if(t<k) s[t]+=s[t+k]; __syncthreads(); } if(t==0){ part[blockIdx.x]=s[0]; __threadfence(); unsigned k=atomicInc(&done, gridDim.x); last = k==gridDim.x-1; } __syncthreads(); if(last && t==0){ float r=0; for(unsigned i=0;i<gridDim.x;i++) r+=((volatile float*)part)[i]; *out=r; done=0; } }
__global__ void gridsync(int* y, int* bar, int nb){ int b=blockIdx.x; if(threadIdx.x==0){ y[b]=b+1; __threadfence(); atomicAdd(bar,1); while(*(volatile int*)bar<nb); __threadfence(); int s=0; for(int i=0;i<nb;i++) s+=((volatile int*)y)[i]; y[nb+b]=s; } }
__global__ void shfls(int* y, const int* x){ int t=threadIdx.x; int v=x[t]; int a=__shfl_up_sync(~0u,v,3,16); int b=__shfl_down_sync(~0u,v,5); int c=__shfl_xor_sync(~0u,v,7); int d=__shfl_sync(~0u,v,t*3,8); y[t]=a+2*b+3*c+5*d; unsigned bal=__ballot_sync(~0u,v&1); y[32+t]=bal; y[64+t]=__reduce_add_sync(~0u,v); y[96+t]=__any_sync(~0u,v==3)*2+__all_sync(~0u,v>=0); }
__global__ void pipe(int* y, const int* x, int n){ __shared__ int s[2][32]; int t=threadIdx.x; __pipeline_memcpy_async(&s[0][t], x+t, 4); __pipeline_commit(); int acc=0; for(int i=0;i<n;i++){ if(i+1<n) __pipeline_memcpy_async(&s[(i+1)&1][t], x+(i+1)*32+t, 4); __pipeline_commit(); __pipeline_wait_prior(1); __syncwarp(); acc+=s[i&1][31-t]; __syncwarp(); } y[t]=acc; }
__global__ void clk(long long* y){ long long a=clock64(); __nanosleep(10); y[threadIdx.x]=clock64()-a; }
__global__ void bits(unsigned* y, const unsigned* x, int n){ int i=threadIdx.x; unsigned a=x[i], b=x[(i+1)%n]; y[8*i]=__byte_perm(a,b,0x3715); y[8*i+1]=__funnelshift_l(a,b,i); y[8*i+2]=__dp4a((int)a,(int)b,5); y[8*i+3]=__vadd4(a,b); y[8*i+4]=__vabsdiffu4(a,b); y[8*i+5]=__umulhi(a,b); y[8*i+6]=__ffs(a); y[8*i+7]=__sad(a,b,1) + __uhadd(a,b); }
}
