/* SPDX-License-Identifier: MIT */
#include "stress/explore/emit/emit_race.h"

#include "fuzzers/emit/emit_pieces.h"
#include "fuzzers/emit/emit_text.h"
#include "fuzzers/op_request.h"
#include "stress/explore/emit/race_pieces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const pieces[] = {
#define X(id, name) race_piece_##name,
    RACE_PIECE_TABLE(X)
#undef X
};

enum { RUNS_SHORT = 32 /* turns: as many as one reads */ };

/* The piece that @op is in, or RACE_PIECES: explored cases have no such operations, and do nothing
 * where one is. */
static enum race_piece piece_of(enum op op)
{
    switch (op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
    case OP_FREE:
    case OP_SPLIT:
    case OP_LOOKUP:
    case OP_SHRINK:
    case OP_MEMORY_FAILURE:
    case OP_UNPOISON:
    case OP_REF:
    case OP_REF_FOLIO:
    case OP_PUT:
        return RACE_GRANTS;
    case OP_CPU_ONLINE:
    case OP_CPU_OFFLINE:
        return RACE_WORLD;
    case OP_CACHE_CREATE:
    case OP_CACHE_DESTROY:
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
    case OP_CACHE_FREE:
        return RACE_OBJECTS;
    case OP_CONTIG:
    case OP_CONTIG_CMA:
    case OP_CONTIG_FREE:
    case OP_COMPACT:
        return RACE_RUNS;
    default:
        return RACE_PIECES;
    }
}

/* Whether a test of @program has @piece. */
static bool has_piece(const struct program *program, enum race_piece piece)
{
    for (uint32_t i = 0; i < program->ops_count; i++) {
        if (piece_of((enum op)program->ops[i].op) == piece) {
            return true;
        }
    }
    return piece <= RACE_GRANTS;
}

const char *emit_race_refuses(const struct failure *failure)
{
    const struct program *program = &failure->program;
    if (emit_map_kind(failure->subject) == NULL) {
        return "the subject is not the core: a test calls the core only";
    }
    if (program_threads(program) == 0) {
        return "no operation has a thread: potad-case emit-c writes a test of it";
    }
    if (failure->options.weak) {
        return "found with --weak: the threads of a test cannot see older values";
    }
    if (strcmp(failure->found, "tsan") == 0) {
        return "found as tsan: the turns that the threads of a test take order what they do, so "
               "ThreadSanitizer has nothing to say";
    }
    return NULL;
}

static void execute(const struct failure *failure, const struct schedule *schedule,
                    struct attempt *attempt, struct race_record *record)
{
    const struct stage_listener listener = race_record_listener(record);
    struct stage_options options = failure->options;
    options.listener = &listener;
    memset(record, 0, sizeof(*record));
    attempt_replay(attempt, &failure->program, &options, schedule, failure->found, false);
}

/* Of threads that wait for ever, a schedule has thousands of turns: as few of the first ones as do,
 * to the next power of two. */
static void shorten(const struct failure *failure, struct attempt *attempt,
                    struct race_record *record, struct schedule *schedule)
{
    const struct explore_finding finding = attempt->finding;
    uint32_t all = attempt->schedule.runs_count;
    schedule_copy(schedule, &attempt->schedule);
    for (uint32_t count = RUNS_SHORT; count < 2 * all; count *= 2) {
        schedule->runs_count = count < all ? count : all;
        execute(failure, schedule, attempt, record);
        if (strcmp(attempt->finding.name, finding.name) == 0) {
            schedule_copy(&attempt->schedule, schedule);
            return;
        }
    }
}

void emit_race_execute(const struct failure *failure, struct attempt *attempt,
                       struct race_record *record)
{
    execute(failure, &failure->schedule, attempt, record);
    if (attempt_found(attempt) && attempt->schedule.runs_count > RUNS_SHORT) {
        struct schedule *schedule = malloc(sizeof(*schedule));
        if (schedule == NULL) {
            abort();
        }
        shorten(failure, attempt, record, schedule);
        free(schedule);
    }
}

/* Text that a C comment can hold. */
static void print_comment(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        fputc(*text, out);
        if (text[0] == '*' && text[1] == '/') {
            fputc(' ', out);
        }
    }
}

static void print_take(FILE *out, const struct case_op *case_op, const struct race_op *op)
{
    const struct subject_request request = op_alloc_request(case_op);
    const struct page_request pages = subject_page_request(&request);
    if (request.type == MEMDESC_NONE) {
        fprintf(out, "take(T, %" PRIu32 ", %s)", op->number, emit_request(&pages));
    } else {
        fprintf(out, "take_desc(T, %" PRIu32 ", %s, %s)", op->number, emit_request(&pages),
                emit_memdesc_type(request.type));
    }
}

static void print_others(FILE *out, const struct race_op *op)
{
    fputs("(unsigned[]){", out);
    for (uint32_t i = 0; i < op->others_count; i++) {
        fprintf(out, "%s%" PRIu32, i == 0 ? "" : ", ", op->others[i]);
    }
    fputs("}", out);
}

static void print_split(FILE *out, const struct case_op *case_op, const struct race_op *op)
{
    fprintf(out, "split(T, %" PRIu32 ", %u, ", op->number, case_op->order);
    print_others(out, op);
    fputs(")", out);
}

static void print_cache_call(FILE *out, const struct case_op *case_op, const struct race_op *op)
{
    switch ((enum op)case_op->op) {
    case OP_CACHE_CREATE:
        fprintf(out, "create_cache(T, %" PRIu32 ", %" PRIu32 ", %" PRIu64 ")", op->cache,
                case_op->value, (uint64_t)1 << case_op->align);
        break;
    case OP_CACHE_DESTROY:
        fprintf(out, "destroy_cache(T, %" PRIu32 ")", op->cache);
        break;
    case OP_CACHE_FREE:
        fprintf(out, "give_object(T, %" PRIu32 ")", op->number);
        break;
    default:
        fprintf(out, "take_objects(T, %" PRIu32 ", ", op->cache);
        print_others(out, op);
        fprintf(out, ", %" PRIu32 ")", op->others_count);
        break;
    }
}

static void print_run_call(FILE *out, const struct program *program, const struct case_op *case_op,
                           const struct race_op *op)
{
    if (case_op->op == OP_CONTIG_FREE) {
        fprintf(out, "give_run(T, %" PRIu32 ")", op->number);
    } else if (case_op->op == OP_COMPACT) {
        const struct compact_request request = op_compact_request(case_op);
        fprintf(out, "compact(T, %s)", emit_compact_request(&request));
    } else {
        const struct contig_request request =
            op_contig_request(case_op, program->map.ranges[0].start);
        fprintf(out, "take_run(T, %" PRIu32 ", %s)", op->number, emit_contig_request(&request));
    }
}

static void print_block_call(FILE *out, const struct case_op *case_op, const struct race_op *op)
{
    switch ((enum op)case_op->op) {
    case OP_FREE:
        fprintf(out, "give(T, %" PRIu32 ")", op->number);
        break;
    case OP_SPLIT:
        print_split(out, case_op, op);
        break;
    case OP_LOOKUP:
        fprintf(out, "lookup(T, %#" PRIx64 ")", op->pfn);
        break;
    case OP_SHRINK:
        fputs("shrink(T)", out);
        break;
    case OP_MEMORY_FAILURE:
        fprintf(out, "fail_frame(T, %#" PRIx64 ")", op->pfn);
        break;
    case OP_UNPOISON:
        fprintf(out, "heal_frame(T, %#" PRIx64 ")", op->pfn);
        break;
    case OP_CPU_ONLINE:
    case OP_CPU_OFFLINE:
        fprintf(out, "cpu_%s(T, %u)", case_op->op == OP_CPU_ONLINE ? "online" : "offline",
                case_op->zone);
        break;
    case OP_REF:
    case OP_REF_FOLIO:
        fprintf(out, "get(T, %" PRIu32 ", %#" PRIx64 ")", op->number, op->pfn);
        break;
    case OP_PUT:
        fprintf(out, "put(T, %" PRIu32 ")", op->number);
        break;
    default:
        print_take(out, case_op, op);
        break;
    }
}

static void print_call(FILE *out, const struct program *program, const struct case_op *case_op,
                       const struct race_op *op)
{
    enum race_piece piece = piece_of((enum op)case_op->op);
    if (piece == RACE_OBJECTS) {
        print_cache_call(out, case_op, op);
    } else if (piece == RACE_RUNS) {
        print_run_call(out, program, case_op, op);
    } else {
        print_block_call(out, case_op, op);
    }
}

/* Operation @index, with the fault that it is to meet. */
static void print_op(FILE *out, const struct program *program, const struct race_record *record,
                     uint32_t index)
{
    const struct case_op *case_op = &program->ops[index];
    const struct race_op *op = &record->ops[index];
    if (op->nothing || piece_of((enum op)case_op->op) == RACE_PIECES) {
        fputs("(void)0", out);
    } else if (case_op->nth != 0) {
        fprintf(out, "arm(%s, %u, %s); ", emit_site((enum fault_site)case_op->site), case_op->nth,
                case_op->mode == FAULT_ONCE ? "ONCE" : "ALWAYS");
        print_call(out, program, case_op, op);
        fputs("; disarm()", out);
    } else {
        print_call(out, program, case_op, op);
    }
}

static void print_outcome(FILE *out, const struct race_op *op)
{
    const char *outcome = op->answer;
    if (op->nothing) {
        outcome = "there is nothing for it to do";
    } else if (!op->ended) {
        outcome = "under way when it failed";
    }
    if (outcome[0] != '\0') {
        fprintf(out, " /* %s */", outcome);
    }
}

static void print_set_up(FILE *out, const struct program *program, const struct race_record *record)
{
    struct program_phase phase = {0};
    fputs("\nstatic void set_up(void)\n{\n", out);
    for (uint32_t cpu = 0; cpu < program->cpus; cpu++) {
        fprintf(out, "    cpu_online(T, %" PRIu32 ");\n", cpu);
    }
    while (program_next_phase(program, &phase) && !phase.concurrent) {
        for (uint32_t i = phase.first; i < phase.end; i++) {
            fputs("    ", out);
            print_op(out, program, record, i);
            fprintf(out, "; /* op %" PRIu32 " */\n", i);
            if (record->ops[i].granted) {
                fprintf(out, "    must_have(%" PRIu32 ");\n", record->ops[i].number);
            }
        }
    }
    fputs("}\n", out);
}

/* What @thread does of @phase. Operations between phases are the first thread's. */
static void print_phase(FILE *out, const struct program *program, const struct race_record *record,
                        const struct program_phase *phase, unsigned thread)
{
    for (uint32_t i = phase->first; i < phase->end; i++) {
        unsigned whose = phase->concurrent ? program->ops[i].thread - 1U : 0;
        if (whose == thread && record->ops[i].began) {
            fprintf(out, "    OP(%" PRIu32 ", ", i);
            print_op(out, program, record, i);
            fputs(");", out);
            print_outcome(out, &record->ops[i]);
            fputc('\n', out);
        }
    }
}

static void print_thread(FILE *out, const struct program *program, const struct race_record *record,
                         unsigned thread)
{
    struct program_phase phase = {0};
    unsigned met = 0;
    bool threads = false; /* the set-up is over */
    fprintf(out, "\nstatic void thread_%u(void)\n{\n", thread + 1);
    while (program_next_phase(program, &phase)) {
        threads = threads || phase.concurrent;
        if (threads) {
            print_phase(out, program, record, &phase, thread);
        }
        if (threads && phase.end < program->ops_count) {
            fprintf(out, "    meet(%u);\n", ++met);
        }
    }
    fputs("}\n", out);
}

static void print_point(FILE *out, unsigned thread, struct schedule_point at)
{
    if (at.op == SCHEDULE_END.op) {
        fprintf(out, "{%u, END, 0}", thread + 1);
    } else {
        fprintf(out, "{%u, %" PRIu32 ", %" PRIu32 "}", thread + 1, at.op, at.step);
    }
}

static void print_schedule(FILE *out, const struct schedule *schedule)
{
    fputs(
        "\n/* A thread, from 1, and until where it runs: operation, steps that it has done of it. "
        "*/\nstatic const struct turn order[] = {\n",
        out);
    for (uint32_t i = 0; i < schedule->runs_count; i++) {
        fputs("    ", out);
        print_point(out, schedule->runs[i].thread, schedule->runs[i].until);
        fputs(",\n", out);
    }
    fputs("};\n", out);
    if (schedule->picks_count > 0) {
        fputs("\n/* Where a thread is not on its own CPU: how many further. */\n"
              "static const struct choice choices[] = {\n",
              out);
        for (uint32_t i = 0; i < schedule->picks_count; i++) {
            const struct schedule_pick *pick = &schedule->picks[i];
            fputs("    {", out);
            print_point(out, pick->thread, pick->at);
            fprintf(out, ", %u},\n", pick->value);
        }
        fputs("};\n", out);
    }
    fprintf(out,
            "\nstatic const struct schedule schedule = {order, %" PRIu32 ", %s, %" PRIu32 "};\n",
            schedule->runs_count, schedule->picks_count > 0 ? "choices" : "NULL",
            schedule->picks_count);
}

/* What was called and answered, where that is what was wrong. */
static void print_history(FILE *out, const struct race_record *record)
{
    if (!record->judged) {
        return;
    }
    fputs("\n/* What the threads called, and were answered, in this order. */\n"
          "static const char *const found[] = {\n",
          out);
    for (uint32_t i = 0; i < record->lines_count; i++) {
        fprintf(out, "    \"%s\",\n", record->lines[i]);
    }
    fputs("};\n", out);
}

static void print_main(FILE *out, const struct failure *failure, const struct attempt *attempt,
                       const struct race_record *record)
{
    unsigned threads = program_threads(&failure->program);
    fputs("\nstatic void (*const bodies[])(void) = {", out);
    for (unsigned i = 0; i < threads; i++) {
        fprintf(out, "%sthread_%u", i == 0 ? "" : ", ", i + 1);
    }
    fprintf(out,
            "};\n\nint main(void)\n{\n    boot(T, &map, %" PRIu32 ", %s);\n    hear(T, %s);\n"
            "    set_up();\n    run_threads(&schedule, bodies, %u);\n",
            failure->program.cpus, failure->options.any_cpu ? "true" : "false",
            failure->options.reuse ? "true" : "false", threads);
    if (record->judged) {
        fprintf(out, "    check_history(found, %" PRIu32 ", \"%s\");\n", record->lines_count,
                attempt->finding.name);
    }
    bool objects = has_piece(&failure->program, RACE_OBJECTS);
    bool runs = has_piece(&failure->program, RACE_RUNS);
    fprintf(out,
            "    validate(T);\n%s    give_all(T);\n%s    stop_cpus(T);\n%s    heal_all(T);\n"
            "    check_whole(T);\n    return 0;\n}\n",
            objects ? "    give_objects(T);\n" : "", runs ? "    give_runs(T);\n" : "",
            objects ? "    destroy_caches(T);\n" : "");
}

static void print_head(FILE *out, const struct failure *failure, const struct attempt *attempt,
                       const char *name)
{
    fprintf(
        out,
        "/* SPDX-License-Identifier: MIT\n *\n"
        " * Made of %s by potad-stress emit-c, for %s%s%s.\n *\n"
        " *   " POTAD_EMIT_COMMAND " -I REPO THIS.c LIBpotad_core_explored.a && ./a.out\n *\n"
        " * Compiler and flags are those of the build that wrote it: the library's. Threads "
        "take turns at\n * each atomic and each lock of the core, as the table `order` says, so "
        "what happens is always\n * the same.\n"
        " * Exit status: 0 nothing found; 1 a violation was found, with its name, or a "
        "sanitizer has a\n * report; 3 there is too little memory to set it up.\n *\n"
        " * When it was made: ",
        name, failure->subject, failure->options.any_cpu ? ", --any-cpu" : "",
        failure->options.reuse ? ", --reuse" : "");
    if (attempt_found(attempt)) {
        fprintf(out, "%s: ", attempt->finding.name);
        print_comment(out, attempt->finding.text);
        fputs("\n */\n", out);
    } else {
        fputs("nothing was violated.\n */\n", out);
    }
}

void emit_race_test(FILE *out, const struct failure *failure, const struct attempt *attempt,
                    const struct race_record *record, const char *name)
{
    const struct program *program = &failure->program;
    const struct boot_map *map = &program->map;
    const struct range *last = &map->ranges[map->ranges_count - 1];
    print_head(out, failure, attempt, name);
    fprintf(out, "#define POTAD_EXPLORED\n#define FIRST_FRAME ((pfn_t)%#" PRIx64 ")\n",
            map->ranges[0].start);
    fprintf(out, "enum { FRAMES = %" PRIu64 ", SLOTS = %d };\n\n%s\n",
            last->start + last->frames - map->ranges[0].start, STAGE_SLOTS, emit_piece_memory);
    for (unsigned i = 0; i < RACE_PIECES; i++) {
        if (has_piece(program, (enum race_piece)i)) {
            fprintf(out, "%s\n", pieces[i]);
        }
    }
    fputs("/* What was found. */\n", out);
    emit_map(out, map, emit_map_kind(failure->subject));
    print_set_up(out, program, record);
    for (unsigned thread = 0; thread < program_threads(program); thread++) {
        print_thread(out, program, record, thread);
    }
    print_schedule(out, &attempt->schedule);
    print_history(out, record);
    print_main(out, failure, attempt, record);
}
