/* xrun_cuda_open loads libcuda.so.1 and initializes it, once. It returns NULL, or
 * why there is no library; *result is then what cuInit returned. */
const char *xrun_cuda_open(int *result);
