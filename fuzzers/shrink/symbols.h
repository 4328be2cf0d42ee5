/* SPDX-License-Identifier: MIT
 *
 * symbols.h: the functions of this program, by address, as its own symbol table names them: no
 * symboliser is needed for that, and it costs a failing run nothing.
 */
#ifndef POTAD_FUZZERS_SHRINK_SYMBOLS_H
#define POTAD_FUZZERS_SHRINK_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_NAME_MAX = 64, SYMBOL_FILE_MAX = 160 };

struct symbol {
    char name[SYMBOL_NAME_MAX];
    bool exported; /* not static, nor weak */
};

/* Finds the function that holds @address. A part of it that a compiler has set apart has its name.
 * Context: one thread; the first call reads the program's file. Return: false where none does, or
 * the program has no symbol table. */
bool symbols_find(uintptr_t address, struct symbol *symbol);

/* Where in the sources @address comes from, as addr2line knows it: a path from the top folder of
 * this project on. Return: false where that is not known. */
bool symbols_source(uintptr_t address, char file[static SYMBOL_FILE_MAX], unsigned *line);

/* Return: @path from the top folder of this project on: behind what stands before the path of
 * symbols.c in @own, which is how it was compiled; else from the last folder on that has the name
 * of a top one; NULL: there is none. */
const char *symbols_project_path(const char *path, const char *own);

#endif
