/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what the commands of uhmm(1) share.
 *
 * A command is one file with one function.  The function gets the command line
 * from the command's name on, and returns the exit status.  An error is one
 * sentence on standard error that says what to do.
 */
#ifndef UHMM_TOOL_H
#define UHMM_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of env(1): our own failure, not executable, not found. */
enum {
	EXIT_USAGE = 2,
	EXIT_OURS = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_limit(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_providers(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* Print "uhmm COMMAND: ..." and a newline on standard error. */
__attribute__((format(printf, 2, 3))) void complain(const char *command,
						    const char *fmt, ...);
/* getopt_long() returned '?' or ':': name the option and the error. */
void complain_option(const char *command, int opt, char **argv);
struct option;
/*
 * Return: the next option; -1 behind the last; 0 when that was --help, or one
 * that was complained about: the command ends with *ret_status.
 */
int next_option(const char *command, int argc, char **argv,
		const struct option *options, void (*help)(void),
		int *ret_status);

/* Of the kernel, as in --features-off; tests compare with the library's. */
#define FEATURE_NAMES                                         \
	"move, stash, poison, scan, procmap, minor, object, " \
	"kernel-faults, fork"

#define LEAST_RAM (UINT64_C(1) << 20) /* the least limit */

/*
 * Parse the value of @option: whole pages, at least @least bytes.  False: it is
 * invalid, and a message was printed.
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

/* Load all modules; call @failed for each that cannot be loaded. */
void modules_load(module_fn *failed);

/* ---- measure.c --------------------------------------------------------- */

/**
 * struct measured - the speed of a device
 * @in, @out: GB/s to the device and back, many pages at a time
 * @page_us: the time to move one page to the device
 * @touch_us: the time of a touch that brings the page home
 * @why: one sentence, if the device cannot be measured
 */
struct measured {
	double in, out;
	double page_us, touch_us;
	char why[256];
};

/* 0; -ENOSPC: no room for 32 MiB; else -errno as of uhmm_device_open(). */
int measure_device(const char *spec, struct measured *ret);

/* ---- elf.c ------------------------------------------------------------- */

enum elf_kind {
	ELF_OK,
	ELF_NOT,       /* something else: a script, text, data */
	ELF_BROKEN,    /* ELF magic, but malformed */
	ELF_FOREIGN,   /* another architecture or word size */
	ELF_STATIC,    /* no dynamic linker: nothing can be preloaded */
	ELF_LIBC,      /* another C library than ours */
	ELF_SANITIZER, /* its allocator must come first */
};

/* Cannot fail: an unreadable file is ELF_BROKEN. */
enum elf_kind elf_examine(const char *path);

#endif
