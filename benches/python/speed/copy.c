/* The raw limit of big values: takes bytes from a pipe into memory, or sends bytes from memory, and nothing else.

   A command is one byte and a length (8 bytes, least significant first):
   n  read so many bytes into new memory, answer with one byte
   k  the same into memory that was used before
   o  send so many bytes
   e  read so many bytes into new memory, send them back */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fill(char *to, size_t length) {
    while (length) {
        ssize_t got = read(0, to, length);
        if (got <= 0) return 0;
        to += got;
        length -= got;
    }
    return 1;
}

static int drain(const char *from, size_t length) {
    while (length) {
        ssize_t step = write(1, from, length);
        if (step <= 0) return 0;
        from += step;
        length -= step;
    }
    return 1;
}

static char *memory(size_t length) {
    char *found = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return found == MAP_FAILED ? 0 : found;
}

int main(void) {
    char *kept = 0;
    size_t room = 0;
    for (;;) {
        char head[9];
        uint64_t length;
        if (!fill(head, sizeof head)) return 0;
        memcpy(&length, head + 1, sizeof length);
        if (head[0] == 'n' || head[0] == 'e') {
            char *fresh = memory(length);
            if (!fresh || !fill(fresh, length)) return 1;
            if (!(head[0] == 'n' ? drain("!", 1) : drain(fresh, length))) return 1;
            munmap(fresh, length);
            continue;
        }
        if (room < length) {
            if (kept) munmap(kept, room);
            if (!(kept = memory(length))) return 1;
            memset(kept, 'x', room = length);
        }
        if (head[0] == 'k' && !(fill(kept, length) && drain("!", 1))) return 1;
        if (head[0] == 'o' && !drain(kept, length)) return 1;
    }
}
