// SPDX-License-Identifier: MIT
/*
 * heaps pieces | raw: what programs with a heap of their own do.  MIB MiB are
 * written, read, and verified.
 *
 * pieces: as V8 does, many small mappings far from each other, each trimmed and
 *	then opened
 * raw: as SBCL does, one mapping of all, by syscall(2), which is opened in
 *	part, discarded in part, cut, and moved
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB   ((size_t)1 << 20)
#define TOTAL (48 * MIB)
#define PIECE ((size_t)256 << 10)
#define PAGE  ((size_t)4096)
#define NR    (TOTAL / PIECE)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void fill(char *p, size_t len, uint64_t salt)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t))
		*(uint64_t *)(p + i) = i % PAGE ? 0 : salt + i;
}

static void verify(const char *p, size_t len, uint64_t salt)
{
	for (size_t i = 0; i < len; i += PAGE) {
		if (*(const uint64_t *)(p + i) == salt + i)
			continue;
		fprintf(stderr, "the page at %zu of %#lx is wrong\n", i,
			(unsigned long)salt);
		exit(1);
	}
}

/* At an address of its own, as far as there is one. */
static char *map_piece(size_t nr)
{
	char *hint = (char *)((uintptr_t)0x200000000000 + nr * 64 * MIB);
	char *p = mmap(hint, 2 * PIECE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	if (munmap(p + PIECE, PIECE))
		die("munmap");
	if (mprotect(p, PIECE, PROT_READ | PROT_WRITE))
		die("mprotect");
	return p;
}

static void use_pieces(void)
{
	char *piece[NR];

	for (size_t i = 0; i < NR; i++) {
		piece[i] = map_piece(i);
		fill(piece[i], PIECE, i << 32);
	}
	for (size_t i = 0; i < NR; i++)
		verify(piece[i], PIECE, i << 32);
	for (size_t i = 0; i < NR; i += 2)
		if (munmap(piece[i], PIECE))
			die("munmap");
	for (size_t i = 1; i < NR; i += 2)
		verify(piece[i], PIECE, i << 32);
}

static void check(long ret, const char *what)
{
	if (ret == -1)
		die(what);
}

static void use_raw(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
	char *p = (char *)syscall(SYS_mmap, 0, TOTAL, all, flags, -1, 0), *q;

	check((long)p, "mmap");
	fill(p, TOTAL, 1);
	verify(p, TOTAL, 1);
	check(syscall(SYS_mprotect, p, MIB, PROT_READ), "mprotect");
	check(syscall(SYS_madvise, p + MIB, MIB, MADV_DONTNEED), "madvise");
	for (size_t i = 0; i < MIB; i++)
		if (p[MIB + i])
			die("discarded, and not zero");
	check(syscall(SYS_munmap, p + TOTAL - MIB, MIB), "munmap");
	q = (char *)syscall(SYS_mremap, p + 2 * MIB, TOTAL - 3 * MIB,
			    TOTAL - MIB, MREMAP_MAYMOVE, 0);
	check((long)q, "mremap");
	verify(p, MIB, 1);
	verify(q, TOTAL - 3 * MIB, 1 + 2 * MIB);
	fill(q, TOTAL - MIB, 2);
	verify(q, TOTAL - MIB, 2);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "pieces"))
		use_pieces();
	else if (argc == 2 && !strcmp(argv[1], "raw"))
		use_raw();
	else
		return 2;
	return 0;
}
