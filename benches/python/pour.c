/* The raw limit for big values: takes or gives the number of bytes that it is told, as often as it is asked.
   Each order is an `i` (take), an `n` (take into new memory) or an `o` (give), and the number in 8 bytes, least
   significant first; the first two are answered by the same letter. */
#include <malloc.h>
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
    /* Large pieces are mapped for each use. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    size_t held = 0, length;
    while (all(0, order, sizeof order)) {
        memcpy(&length, order + 1, sizeof length);
        if (length > held) {
            room = realloc(room, length);
            if (!room) return 1;
            memset(room, 1, held = length);
        }
        char *place = order[0] == 'n' ? malloc(length) : room;
        if (!place || !all(order[0] == 'o', place, length)) return 1;
        if (place != room) free(place);
        if (order[0] != 'o' && !all(1, order, 1)) return 1;
    }
    return 0;
}
