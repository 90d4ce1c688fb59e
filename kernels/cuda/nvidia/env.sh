# Sourced from the top of the repository, this sets what cgo needs to build
# gorgonia.org/cu without NVIDIA's toolkit: our cuda.h, and a linker script in
# place of libcuda.
export CGO_ENABLED=1
export CGO_CFLAGS="-O2 -g -I$PWD/kernels/cuda/nvidia/include"
export CGO_LDFLAGS="-L$PWD/kernels/cuda/nvidia/lib"
