// kernels_scalar.cc: the kernels compiled for scalar.
#include "kernels_table.h"
