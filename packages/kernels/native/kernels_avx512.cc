// kernels_avx512.cc: the kernels compiled for avx512.
#include "kernels_table.h"
