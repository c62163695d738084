#include "clinux.h"

__thread void *clinux_memory_of_thread;
