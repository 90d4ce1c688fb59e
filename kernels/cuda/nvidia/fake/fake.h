#include "../include/cuda.h"

/* The context that is current on the calling thread. */
CUcontext fake_current(void);
