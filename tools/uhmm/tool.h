/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what the commands of uhmm(1) share.
 *
 * A command is one file with one function.  It gets the command line from its
 * own name on, and returns the exit status.  What went wrong is one sentence
 * on standard error that says what to do.
 */
#ifndef UHMM_TOOL_H
#define UHMM_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As env(1): our own failure, found but cannot be run, not found. */
enum {
	EXIT_USAGE = 2,
	EXIT_OURS = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_limit(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_providers(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* "uhmm COMMAND: ..." to standard error, with a newline. */
__attribute__((format(printf, 2, 3))) void complain(const char *command,
						    const char *fmt, ...);
/* After getopt_long() gave '?' or ':': which option, and what is wrong. */
void complain_option(const char *command, int opt, char **argv);

#define LEAST_RAM (UINT64_C(1) << 20) /* that can be a limit */

/*
 * The value of @option in whole pages, @least bytes or more; else says what is
 * wrong.
 */
bool parse_bytes(const char *command, const char *option, const char *arg,
		 uint64_t least, uint64_t *ret);

/* ---- program.c: is this a program that can be served? ------------------ */

/**
 * program_check() - find @name as execvp(3) would, and look into it
 * @why: room for one sentence about what is wrong
 *
 * Return: 0, or the exit status that env(1) would give.
 */
int program_check(const char *name, char *why, size_t len);

/* ---- modules.c: providers in libraries of their own -------------------- */

typedef void module_fn(const char *name, const char *why);

/* Loads all; @failed is told of each that cannot be. */
void modules_load(module_fn *failed);

/* ---- measure.c --------------------------------------------------------- */

/**
 * struct measured - what a device can do
 * @in, @out: GB/s, many pages at a time
 * @page_us: to move one page there
 * @touch_us: until the CPU has it back, when it touches it
 * @why: when it cannot be measured, one sentence
 */
struct measured {
	double in, out;
	double page_us, touch_us;
	char why[256];
};

/* 0; -ENOSPC: it has no room for 32 MiB; -errno as uhmm_device_open(). */
int measure_device(const char *spec, struct measured *ret);

/* ---- elf.c ------------------------------------------------------------- */

enum elf_kind {
	ELF_OK,
	ELF_NOT,       /* something else: a script, text, data */
	ELF_BROKEN,    /* says it is ELF, and is not */
	ELF_FOREIGN,   /* another architecture or word size */
	ELF_STATIC,    /* no dynamic linker: nothing can be preloaded */
	ELF_LIBC,      /* another C library than ours */
	ELF_SANITIZER, /* has an allocator of its own that must come first */
};

/* Never fails: what cannot be read is ELF_BROKEN. */
enum elf_kind elf_examine(const char *path);

#endif
