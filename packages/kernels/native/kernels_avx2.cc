// kernels_avx2.cc: the kernels compiled for avx2.
#include "kernels_table.h"
