/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    uintptr_t start;
    uintptr_t end;
    const char *name;
    bool exported;
};

/* Of this program: read once, and the same for as long as it runs. */
static struct {
    struct function *functions; /* by ascending start */
    size_t count;
    uintptr_t base; /* what its addresses are raised by */
    bool read;
} table;

static int note_base(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    *(uintptr_t *)context = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

/* Of functions at one address, the exported one comes last. */
static int compare_functions(const void *left, const void *right)
{
    const struct function *a = left;
    const struct function *b = right;
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return (int)a->exported - (int)b->exported;
}

/* Takes the functions of a symbol table in @file. */
static void take_functions(const unsigned char *file, const Elf64_Shdr *sections,
                           const Elf64_Shdr *symbols)
{
    const Elf64_Sym *all = (const Elf64_Sym *)(const void *)(file + symbols->sh_offset);
    const char *names = (const char *)file + sections[symbols->sh_link].sh_offset;
    size_t count = symbols->sh_size / sizeof(*all);
    table.functions = calloc(count + 1, sizeof(*table.functions));
    if (table.functions == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (ELF64_ST_TYPE(all[i].st_info) == STT_FUNC && all[i].st_size > 0) {
            table.functions[table.count++] = (struct function){
                .start = all[i].st_value,
                .end = all[i].st_value + all[i].st_size,
                .name = names + all[i].st_name,
                .exported = ELF64_ST_BIND(all[i].st_info) == STB_GLOBAL,
            };
        }
    }
    qsort(table.functions, table.count, sizeof(*table.functions), compare_functions);
}

/* The file stays mapped: names point into it. */
static void read_table(void)
{
    struct stat status;
    table.read = true;
    dl_iterate_phdr(note_base, &table.base);
    int descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        return;
    }
    const unsigned char *file =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (file == MAP_FAILED) {
        return;
    }
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)file;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(file + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum && table.functions == NULL; i++) {
        if (sections[i].sh_type == SHT_SYMTAB) {
            take_functions(file, sections, &sections[i]);
        }
    }
}

static bool is_exported(const char *name)
{
    for (size_t i = 0; i < table.count; i++) {
        if (table.functions[i].exported && strcmp(table.functions[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool symbols_find(uintptr_t address, struct symbol *symbol)
{
    if (!table.read) {
        read_table();
    }
    uintptr_t at = address - table.base;
    size_t first = 0;
    size_t end = table.count;
    while (first < end) { /* the last that starts at or before it */
        size_t middle = first + (end - first) / 2;
        if (table.functions[middle].start <= at) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    if (first == 0 || at >= table.functions[first - 1].end) {
        return false;
    }
    const struct function *function = &table.functions[first - 1];
    int length = (int)strcspn(function->name, "."); /* "name.cold" */
    snprintf(symbol->name, sizeof(symbol->name), "%.*s", length, function->name);
    symbol->exported =
        function->exported || (function->name[length] != '\0' && is_exported(symbol->name));
    return true;
}

static bool is_below_top_folder(const char *path)
{
    static const char *const folders[] = {"core/", "fuzzers/", "stress/"};
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (strncmp(path, folders[i], strlen(folders[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Return: the bytes of @own that stand before this file's path in the project; 0: none do. */
static size_t root_bytes(const char *own)
{
    static const char here[] = "fuzzers/shrink/symbols.c";
    size_t length = strlen(own);
    size_t behind = sizeof(here) - 1;
    return length > behind && strcmp(own + length - behind, here) == 0 ? length - behind : 0;
}

/* Whether just the @root bytes of @own stand before @at in @path: as whole folders. */
static bool is_behind_root(const char *path, const char *at, const char *own, size_t root)
{
    size_t before = (size_t)(at - path);
    return root > 0 && before >= root && memcmp(at - root, own, root) == 0 &&
           (before == root || at[-(ptrdiff_t)root - 1] == '/');
}

const char *symbols_project_path(const char *path, const char *own)
{
    size_t root = root_bytes(own);
    const char *last = NULL;
    for (const char *at = path; at != NULL;) {
        if (is_below_top_folder(at)) {
            last = at;
            if (is_behind_root(path, at, own, root)) {
                break;
            }
        }
        const char *slash = strchr(at, '/');
        at = slash == NULL ? NULL : slash + 1;
    }
    return last;
}

bool symbols_source(uintptr_t address, char file[static SYMBOL_FILE_MAX], unsigned *line)
{
    char command[128];
    char answer[512];
    struct symbol symbol;
    if (!symbols_find(address, &symbol)) {
        return false;
    }
    snprintf(command, sizeof(command), "addr2line -e /proc/%d/exe %#lx 2>/dev/null", (int)getpid(),
             (unsigned long)(address - table.base));
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): nothing of it is from outside */
    if (pipe == NULL) {
        return false;
    }
    bool said = fgets(answer, sizeof(answer), pipe) != NULL;
    pclose(pipe);
    char *colon = said ? strrchr(answer, ':') : NULL;
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    unsigned long number = strtoul(colon + 1, NULL, 10);
    const char *path = symbols_project_path(answer, __FILE__);
    if (path == NULL || number == 0 || strlen(path) >= SYMBOL_FILE_MAX) {
        return false;
    }
    memcpy(file, path, strlen(path) + 1);
    *line = (unsigned)number;
    return true;
}
