// SPDX-License-Identifier: MIT
/*
 * others LIBRARY [PART...]: the allocator beside others.  A library that calls
 * the C library's functions past ours exchanges blocks with the program;
 * glibc's own names for them mix with the usual ones; what is told about the
 * heap is true; and a library between us and the C library finds what it seeks.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>

#include "memory.h"
#include "others.h"

#define LEN (12 * MIB)

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t nr, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void *__libc_valloc(size_t n);
void __libc_free(void *p);

static const char *library;

/* The heap of a program that is larger than its limit. */
static char *heap(size_t len, uint64_t seed)
{
	char *p = malloc(len);

	CHECK(p);
	fill(p, len, seed);
	return p;
}

/* ---- RTLD_DEEPBIND ------------------------------------------------------- */

static void exchange(struct others *o, const char *file)
{
	char *big = heap(MIB, 2), *p;

	CHECK(!strcmp(o->kept, "copied"));
	free(o->kept);
	for (int i = 0; i < 100; i++) {
		o->take(strdup("some"));
		o->take(malloc((size_t)i * 1000));
		p = o->give("given");
		CHECK(!strcmp(p, "given"));
		free(realloc(p, 5000));
	}
	p = o->line("/proc/self/status");
	CHECK(p && !strncmp(p, "Name:", 5));
	free(p);
	big = o->grow(big, 2 * MIB);
	verify(big, MIB, 2);
	o->take(big);
	p = o->load(file, LEN);
	CHECK(p);
	push();
	verify(p, LEN, 3);
	CHECK(!munmap(p, LEN));
}

static void deep(void)
{
	static char text[MIB];
	char path[] = "/tmp/uhmm-others-XXXXXX";
	void *h = dlopen(library, RTLD_NOW | RTLD_DEEPBIND);
	int fd = mkstemp(path);
	char *p = heap(LEN, 1);

	if (!h)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(h && fd >= 0);
	for (size_t i = 0; i < LEN; i += sizeof(text)) {
		fill_at(text, 3, i, i + sizeof(text));
		CHECK(write(fd, text, sizeof(text)) == sizeof(text));
	}
	exchange(dlsym(h, "others"), path);
	CHECK(!unlink(path) && !close(fd));
	verify(p, LEN, 1);
	free(p);
}

/* ---- Names --------------------------------------------------------------- */

static void handle(void)
{
	void *h = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *(*alloc)(size_t) = dlsym(h, "malloc");
	void (*release)(void *) = dlsym(h, "free");
	char *p;

	CHECK(h && alloc && release);
	release(malloc(100));
	release(strdup("some"));
	free(alloc(100));
	p = realloc(alloc(100), MIB);
	release(p);
}

static void names(void)
{
	char *p = heap(LEN, 1), *q;

	free(__libc_malloc(100));
	__libc_free(malloc(100));
	free(realloc(__libc_memalign(64, 100), 1000));
	__libc_free(__libc_realloc(calloc(10, 10), MIB));
	q = __libc_calloc(MIB, 1);
	verify_zero(q, MIB);
	free(q);
	free(__libc_valloc(100));
	free(reallocarray(__libc_malloc(1), 3, 1000));
	handle();
	push();
	verify(p, LEN, 1);
	free(p);
}

/* ---- Figures ------------------------------------------------------------- */

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	CHECK(m.arena + m.hblkhd >= m.uordblks + m.hblkhd);
	return m.uordblks + m.hblkhd;
}

static void small(void)
{
	static void *list[10000];
	size_t before = in_use(), with;

	for (size_t i = 0; i < 10000; i++)
		list[i] = malloc(100);
	with = in_use();
	CHECK(with >= before + 1000000 && with < before + 4000000);
	for (size_t i = 0; i < 10000; i++)
		free(list[i]);
	CHECK(in_use() < before + 200000);
}

/* @text has @key, at least once with a number of @least or more behind it. */
static void check_text(const char *text, const char *key, size_t least)
{
	const char *at = strstr(text, key);
	size_t most = 0;

	CHECK(at);
	for (; at; at = strstr(at + 1, key)) {
		size_t n = strtoul(at + strlen(key), NULL, 10);

		most = n > most ? n : most;
	}
	CHECK(most >= least);
}

static void print_stats(void)
{
	char text[4096] = "";
	int out[2], err = dup(2);

	CHECK(!pipe(out) && dup2(out[1], 2) == 2);
	malloc_stats();
	CHECK(dup2(err, 2) == 2 && !close(err) && !close(out[1]));
	CHECK(read(out[0], text, sizeof(text) - 1) > 0);
	CHECK(!close(out[0]));
	check_text(text, "system bytes     =", LEN);
	check_text(text, "in use bytes     =", LEN);
}

static void print_info(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CHECK(f && malloc_info(1, f) == EINVAL);
	CHECK(!malloc_info(0, f) && !fclose(f));
	CHECK(!strncmp(text, "<malloc version=\"1\">", 20));
	CHECK(!strcmp(text + len - 10, "</malloc>\n"));
	check_text(text, "<system type=\"current\" size=\"", LEN);
	free(text);
}

static void figures(void)
{
	size_t before = in_use();
	char *p = heap(LEN, 1);

	CHECK(in_use() >= before + LEN && in_use() < before + 2 * LEN);
	CHECK(malloc_usable_size(p) >= LEN);
	small();
	print_stats();
	print_info();
	verify(p, LEN, 1);
	free(p);
	CHECK(in_use() < before + MIB);
	CHECK(malloc_trim(0) == 1);
	CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
}

/* ---- Alignment ----------------------------------------------------------- */

static void fits(void *p, size_t align, size_t n)
{
	CHECK(p && !((uintptr_t)p & (align - 1)) && malloc_usable_size(p) >= n);
	memset(p, 1, n);
	free(p);
}

static void cxx(size_t n)
{
	void *(*new_1)(size_t) = dlsym(RTLD_DEFAULT, "_Znwm");
	void *(*new_n)(size_t) = dlsym(RTLD_DEFAULT, "_Znam");
	void (*del)(void *, size_t) = dlsym(RTLD_DEFAULT, "_ZdlPvm");
	void *p;

	if (!new_1 || !new_n || !del)
		return;
	fits(new_1(n), 16, n);
	fits(new_n(n), 16, n);
	p = new_1(n);
	del(p, n);
	CHECK(malloc(n) != new_1(n));
}

static void alignment(void)
{
	void *p;

	for (size_t n = 0; n < 300; n++) {
		fits(malloc(n), 16, n);
		fits(calloc(n, 1), 16, n);
		fits(realloc(NULL, n), 16, n);
		fits(n ? realloc(malloc(400), n) : malloc(0), 16, n);
		fits(aligned_alloc(8, n), 16, n);
		fits(memalign(1, n), 16, n);
		fits(valloc(n), PAGE, n);
		fits(pvalloc(n), PAGE, n ? PAGE : 0);
		CHECK(!posix_memalign(&p, 512, n));
		fits(p, 512, n);
		cxx(n);
	}
	CHECK(posix_memalign(&p, 24, 1) == EINVAL);
	CHECK(posix_memalign(&p, 4, 1) == EINVAL);
	CHECK(posix_memalign(&p, 16, SIZE_MAX - 8) == ENOMEM);
}

/* ---- A library between --------------------------------------------------- */

static void *stat_it(void *unused)
{
	struct stat st;

	CHECK(!stat("/", &st) && S_ISDIR(st.st_mode));
	return unused;
}

static void between(void)
{
	unsigned (*calls)(void) = dlsym(RTLD_DEFAULT, "between_calls");
	char *p = heap(LEN, 1), *q = map(LEN);
	int fd = memfd_create("others", 0);
	unsigned before = calls ? calls() : 0;
	pthread_t t;
	struct stat st;

	CHECK(fd >= 0 && write(fd, p, LEN) == LEN);
	CHECK(!lseek(fd, 0, SEEK_SET) && read(fd, q, LEN) == LEN);
	CHECK(!fstat(fd, &st) && st.st_size == LEN);
	stat_it(NULL);
	CHECK(!pthread_create(&t, NULL, stat_it, NULL));
	CHECK(!pthread_join(t, NULL));
	CHECK(!calls || calls() >= before + 4);
	verify(q, LEN, 1);
	verify(p, LEN, 1);
	free(p);
	CHECK(!munmap(q, LEN) && !close(fd));
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "deep", deep },	{ "names", names },
		{ "figures", figures }, { "alignment", alignment },
		{ "between", between },
	};

	CHECK(argc > 1);
	library = argv[1];
	return RUN_PARTS(parts, argc - 1, argv + 1);
}
