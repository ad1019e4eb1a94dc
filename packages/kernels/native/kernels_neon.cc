// kernels_neon.cc: the kernels compiled for neon.
#include "kernels_table.h"
