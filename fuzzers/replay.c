/* SPDX-License-Identifier: MIT
 *
 * replay.c: the main program of a fuzz target without an engine: runs files, or all files of
 * directories, as the engine would. Text cases are encoded first, but for a target that reads files
 * as they are.
 */
#include "fuzzers/fuzz_target.h"
#include "fuzzers/input.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef POTAD_REPLAY_AS_IS
enum { ENCODES_TEXT = 0 };
#else
enum { ENCODES_TEXT = 1 };
#endif

struct replay {
    bool twice;
    uint64_t inputs;
    bool failed; /* an input could not be read */
    bool differs;
};

static void usage(FILE *out, const char *name)
{
    fprintf(out,
            "usage: %s [--twice] FILE|DIR...\n\n"
            "Runs each input as the fuzz target would: %s.\n"
            "  --twice   run each input twice; a different end state is a violation\n\n"
            "Environment: POTAD_SUBJECT names the allocator under test (default: core).\n"
            "Ends with a line 'potad-stats: execs=N ops=M'. Exit status: 0 nothing found,\n"
            "1 inputs differ from run to run, 2 an input could not be read; a violation aborts.\n",
            name, ENCODES_TEXT ? "raw bytes, a binary case or a text case" : "its bytes");
}

static void run(struct replay *replay, const char *path, const uint8_t *data, size_t size)
{
    LLVMFuzzerTestOneInput(data, size);
    replay->inputs++;
    if (!replay->twice) {
        return;
    }
    uint64_t first = fuzz_target_state_hash();
    LLVMFuzzerTestOneInput(data, size);
    uint64_t second = fuzz_target_state_hash();
    if (first != second) {
        fprintf(stderr,
                "potad: violated: determinism: a case run twice ends in the same state\n"
                "potad:   %s: %016" PRIx64 ", then %016" PRIx64 "\n",
                path, first, second);
        replay->differs = true;
    }
}

static void replay_text(struct replay *replay, const char *path, const struct input *input)
{
    struct program program;
    struct case_error error;
    program_init(&program);
    if (!case_parse(&program, (const char *)input->data, input->size, &error)) {
        fprintf(stderr, "potad: %s: %s\n", path, error.text);
        replay->failed = true;
    } else {
        size_t size = case_encoded_bytes(&program);
        uint8_t *data = malloc(size);
        if (data == NULL) {
            abort();
        }
        case_encode(&program, data);
        run(replay, path, data, size);
        free(data);
    }
    program_free(&program);
}

static void replay_file(struct replay *replay, const char *path)
{
    struct input input;
    if (!input_read(path, &input)) {
        replay->failed = true;
        return;
    }
    if (ENCODES_TEXT && input_is_text(&input)) {
        replay_text(replay, path, &input);
    } else {
        run(replay, path, input.data, input.size);
    }
    input_free(&input);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_directory(struct replay *replay, const char *path);

/* Context: @path was found in a directory; what is neither file nor directory is passed over. */
static void replay_entry(struct replay *replay, const char *path)
{
    struct stat status;
    bool known = stat(path, &status) == 0;
    if (known && S_ISDIR(status.st_mode)) {
        replay_directory(replay, path);
    } else if (!known || S_ISREG(status.st_mode)) {
        replay_file(replay, path);
    }
}

static void replay_directory(struct replay *replay, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_shown, by_name);
    if (count < 0) {
        fprintf(stderr, "potad: %s: %s\n", path, strerror(errno));
        replay->failed = true;
        return;
    }
    for (int i = 0; i < count; i++) {
        char *inner;
        if (asprintf(&inner, "%s/%s", path, entries[i]->d_name) < 0) {
            abort();
        }
        replay_entry(replay, inner);
        free(inner);
        free(entries[i]);
    }
    free(entries);
}

static void replay_path(struct replay *replay, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        replay_directory(replay, path);
    } else {
        replay_file(replay, path);
    }
}

int main(int argc, char **argv)
{
    struct replay replay = {0};
    int first = 1;
    for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
        if (strcmp(argv[first], "--help") == 0) {
            usage(stdout, argv[0]);
            return 0;
        }
        if (strcmp(argv[first], "--twice") != 0) {
            fprintf(stderr, "potad: %s: unknown option; see --help\n", argv[first]);
            return 2;
        }
        replay.twice = true;
    }
    if (first == argc) {
        usage(stderr, argv[0]);
        return 2;
    }
    for (int i = first; i < argc; i++) {
        replay_path(&replay, argv[i]);
    }
    printf("%" PRIu64 " inputs\n", replay.inputs);
    return replay.failed ? 2 : replay.differs ? 1 : 0;
}
