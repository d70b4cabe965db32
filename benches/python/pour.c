/* The raw limit for big values: takes or gives the number of bytes that it is told, as often as it is asked.
   Each order is an `i` or an `o`, and the number in 8 bytes, least significant first; `i` is answered by one byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int all(int out, char *from, size_t length) {
    while (length) {
        ssize_t step = out ? write(1, from, length) : read(0, from, length);
        if (step <= 0) return 0;
        from += step;
        length -= step;
    }
    return 1;
}

int main(void) {
    char order[9], *room = 0;
    size_t held = 0, length;
    while (all(0, order, sizeof order)) {
        memcpy(&length, order + 1, sizeof length);
        if (length > held) {
            room = realloc(room, length);
            if (!room) return 1;
            memset(room, 1, held = length);
        }
        if (!all(order[0] == 'o', room, length)) return 1;
        if (order[0] == 'i' && !all(1, order, 1)) return 1;
    }
    return 0;
}
