/* SPDX-License-Identifier: MIT */
#include "stress/shuffle.h"

#include "stress/clock.h"

enum {
    REST_MS = 3,           /* between two moves, at most */
    STREAM = (1 << 16) - 1 /* of random numbers: before those of the disturbers */
};

unsigned shuffle_processors(void)
{
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof(processors), &processors) != 0) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&processors);
}

/* The processor that @skip others of the set come before. */
static size_t processor_number(const cpu_set_t *processors, uint64_t skip)
{
    size_t processor = 0;
    while (!CPU_ISSET(processor, processors) || skip-- > 0) {
        processor++;
    }
    return processor;
}

/* Has one thread run on one processor only, or, now and then, on any again. */
static void move_one(struct shuffle *shuffle)
{
    struct random *random = &shuffle->random;
    uint64_t choices = (uint64_t)CPU_COUNT(&shuffle->processors) + 1;
    const struct shuffle_thread *moved = &shuffle->threads[random_below(random, shuffle->count)];
    uint64_t choice = random_below(random, choices);
    cpu_set_t to = shuffle->processors;
    if (choice + 1 < choices) {
        CPU_ZERO(&to);
        CPU_SET(processor_number(&shuffle->processors, choice), &to);
    }
    if (pthread_setaffinity_np(moved->thread, sizeof(to), &to) == 0) {
        disturber_count(moved->disturber, DISTURB_AFFINITY);
    }
}

static void *shuffle_main(void *context)
{
    struct shuffle *shuffle = context;
    while (relaxed_load(&shuffle->stopped) == 0) {
        clock_sleep_ms(1 + (long)random_below(&shuffle->random, REST_MS));
        move_one(shuffle);
    }
    return NULL;
}

bool shuffle_start(struct shuffle *shuffle, struct shuffle_thread *threads, unsigned count,
                   uint64_t seed)
{
    *shuffle = (struct shuffle){.threads = threads, .count = count};
    random_init(&shuffle->random, seed, STREAM);
    return sched_getaffinity(0, sizeof(shuffle->processors), &shuffle->processors) == 0 &&
           pthread_create(&shuffle->thread, NULL, shuffle_main, shuffle) == 0;
}

void shuffle_stop(struct shuffle *shuffle)
{
    relaxed_store(&shuffle->stopped, 1);
    pthread_join(shuffle->thread, NULL);
}
