/* The raw limit: reads what comes on fd 0 and writes it back to fd 1 until end of file. */
#include <unistd.h>

int main(void) {
    char buffer[65536];
    for (;;) {
        ssize_t got = read(0, buffer, sizeof buffer);
        if (got <= 0) return got < 0;
        for (ssize_t sent = 0; sent < got;) {
            ssize_t step = write(1, buffer + sent, got - sent);
            if (step <= 0) return 1;
            sent += step;
        }
    }
}
